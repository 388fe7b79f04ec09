// PNG Info: drop or choose a picture, see everything it says, send it on.
"use strict";

onUiLoaded(() => {
    const drop = document.getElementById("pnginfo_image"), input = drop.querySelector("input"), image = drop.querySelector("img");
    const sends = document.querySelectorAll("#tab_pnginfo [data-send]"), paper = document.getElementById("pnginfo_generation_info");
    let chosen = null, fields = {}, infotext = "";

    /** Of a picture made elsewhere: by what, and what of it our fields cannot say. */
    function showForeign(found) {
        const place = document.getElementById("pnginfo_foreign");
        place.hidden = !found;
        if (!found) return;
        place.replaceChildren(make("p", {text: t("pnginfo.foreign", {program: found.program})}));
        if (found.unknown.length) place.append(make("p", {class: "quiet", text: t("pnginfo.unknown")}), make("ul", {}, ...found.unknown.map((one) => make("li", {text: one}))));
    }

    async function read(file) {
        if (!file) return;
        try {
            const found = await readPicture(file);
            [chosen, infotext, fields] = [file, found.infotext, found.fields];
            image.src = URL.createObjectURL(file);
            image.alt = file.name;
            image.hidden = false;
            drop.classList.add("filled");
            for (const one of sends) one.disabled = one.dataset.send === "txt2img" && !infotext;
            showForeign(found.foreign);
            document.getElementById("pnginfo_chips").replaceChildren(...paperChips(found.fields));
            const items = {[file.name]: found.picture, ...found.items};
            paper.replaceChildren(...Object.entries(items).map(([name, value]) => make("section", {}, make("h3", {text: name}), make("pre", {text: value, tabIndex: 0}))));
            if (!infotext) paper.prepend(make("p", {class: "quiet", text: t("prompt.no_info")}));
        } catch (error) { tell(error); }
    }

    input.onchange = () => read(input.files[0]);
    drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("dropping"); });
    drop.addEventListener("dragleave", () => drop.classList.remove("dropping"));
    drop.addEventListener("drop", (event) => { event.preventDefault(); drop.classList.remove("dropping"); read(event.dataTransfer.files[0]); });
    drop.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); input.click(); } });
    document.addEventListener("paste", (event) => {
        const file = Array.from(event.clipboardData?.files || []).find((one) => one.type.startsWith("image/"));
        if (file && uiElementIsVisible(drop)) read(file);
    });
    for (const one of sends) one.onclick = () => {
        if (one.dataset.send !== "txt2img") { easelSend(one.dataset.send, {file: chosen, fields}); return; }
        pasteInfotext(infotext, "txt2img").catch(tell);
        selectTab("txt2img");
    };
});
