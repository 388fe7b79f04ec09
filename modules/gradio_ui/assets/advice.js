// What will not work, told beside its control with a button that mends it. Python decides what (advice.py).
"use strict";

const advised = {};

/** Called with the list for a tab: [{control, key, values, fix}]. */
function easelAdvised(tab, raw) {
    try { advised[tab] = JSON.parse(raw || "[]"); } catch { return; }
    showAdvice(tab);
}

function showAdvice(tab) {
    for (const slot of document.querySelectorAll(`#tab_${tab} [data-advice]`)) {
        const found = (advised[tab] || []).filter((one) => one.control === slot.dataset.advice);
        const mark = JSON.stringify([found, easel.pick()]);
        if (slot.dataset.mark === mark) continue;
        slot.dataset.mark = mark;
        slot.replaceChildren(...found.map((one) => make("p", {class: one.note ? "told" : ""}, one.note ? null : icon("note"), make("span", {text: t(`advice.${one.key}`, one.values)}), mend(tab, one.fix))));
        const accordion = slot.closest(".input-accordion");
        if (accordion) accordion.classList.toggle("advised", !!accordion.querySelector(".advice p:not(.told)"));
    }
}

function mend(tab, fix) {
    const names = Object.keys(fix);
    if (!names.length) return null;
    const size = "width" in fix && "height" in fix;
    const words = size ? `${fix.width} \u00d7 ${fix.height}` : Object.values(fix)[0];
    return make("button", {type: "button", text: t("advice.use", {value: words}), on: {click: () => fillForm({values: fix}, tab)}});
}

/** Another checkpoint: controls that still show the defaults of the one before take those of the new one. */
function followModel(tab, before, now) {
    const values = {};
    for (const [name, value] of Object.entries(now)) {
        const shown = numberOf(`${tab}_${name}`)?.value;
        if (value !== before[name] && shown !== undefined && Number(shown) === before[name]) values[name] = value;
    }
    if (Object.keys(values).length) fillForm({values}, tab);
    document.getElementById(`${tab}_recheck`).click();
}

onUiLoaded(() => {
    document.addEventListener("easel-language", () => easel.forms.forEach(showAdvice));
    let model = null;
    document.addEventListener("easel-status", (event) => {
        const found = event.detail.model, mark = JSON.stringify(found);
        if (model && model.mark !== mark) for (const tab of easel.forms) followModel(tab, model.found.defaults, found.defaults);
        model = {found, mark};
    });
});
