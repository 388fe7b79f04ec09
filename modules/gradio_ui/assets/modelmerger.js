// Merge: its modes, the formula of the chosen method, and what came of a merge.
"use strict";

function mergeOutcome(job) {
    if (job.state !== "done") return [];
    const {file, bytes, kind} = job.merge, checkpoint = kind === "checkpoints";
    const choose = () => selectCheckpoint(file).then(() => showModels(true)).catch(tell);
    const prompt = () => { cardClicked(easel.form, loraText({insert: file.replace(/\.safetensors$/, "")})); selectTab(easel.form); };
    const use = make("button", {type: "button", class: "gallery-button", id: "modelmerger_use", text: t(checkpoint ? "modelmerger.use" : "modelmerger.use_lora"), on: {click: checkpoint ? choose : prompt}});
    return [make("p", {class: "lead", text: t("modelmerger.saved", {name: file, size: formatBytes(bytes)})}), use];
}

function showFormula() {
    const method = document.querySelector("#modelmerger_interp_method input:checked")?.value || "weighted_sum";
    document.getElementById("modelmerger_interp_description").textContent = t(`modelmerger.formula.${method}`);
    for (const [name, methods] of [["secondary_model_name", ["weighted_sum", "add_difference"]], ["tertiary_model_name", ["add_difference"]], ["interp_amount", ["weighted_sum", "add_difference"]]]) {
        document.getElementById(`modelmerger_${name}`).style.display = methods.includes(method) ? "" : "none";
    }
}

onUiLoaded(() => {
    easel.mergePanel = startJobPanel("modelmerger", {outcome: mergeOutcome});
    startPanels("mode_modelmerger", "modelmerger_mode_kept", "checkpoints");
    showFormula();
    document.getElementById("modelmerger_interp_method").addEventListener("change", showFormula);
    document.addEventListener("easel-language", showFormula);
    setInterval(showFormula, 700); // restored values come without an event
});
