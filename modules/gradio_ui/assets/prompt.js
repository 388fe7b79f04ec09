// The prompt boxes: token counts, brackets, weights by key, clearing with undo, pasting papers, dropping pictures.
"use strict";

function box(id) { return document.querySelector(`#${id} textarea`); }
function numberOf(id) { return document.querySelector(`#${id} input[type=number]`); }

function setValue(element, value) {
    if (!element) return;
    const kind = element.tagName === "TEXTAREA" ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(element, value);
    updateInput(element);
    if (element.tagName === "INPUT") element.dispatchEvent(new Event("change", {bubbles: true}));
}

/** Hand values to a tab's form through Python, which knows ranges and choices: {fields, whole} or {values}. */
function fillForm(wish, tab = easel.form) {
    setValue(box(`${tab}_pasted`), `${randomId()}\n${JSON.stringify(wish)}`);
    setTimeout(() => document.getElementById(`${tab}_paste_button`).click(), 30);
}

async function pasteInfotext(text, tab = easel.form) {
    const found = await ask("easel/parse", {infotext: text});
    if (!("Steps" in found.fields) && !("Seed" in found.fields)) { toast(t("prompt.nothing")); return; }
    fillForm({fields: found.fields, whole: true}, tab);
    const what = found.unknown.map((name) => `${name}: ${found.fields[name]}`).join(", ");
    toast([what ? t("prompt.pasted_but", {what}) : t("prompt.pasted"), ...found.missed].join(" "));
}

async function readPicture(file) {
    const reply = await fetch("easel/read-picture", {method: "POST", headers: {"Content-Type": "application/octet-stream"}, body: file});
    const found = await reply.json();
    if (!reply.ok) throw Object.assign(new Error(found.error), {hint: found.hint});
    return found;
}

const countLater = {};
function countTokens(id) {
    clearTimeout(countLater[id]);
    countLater[id] = setTimeout(async () => {
        const styles = chosenStyles(id.split("_")[0]);
        try {
            const found = await ask("easel/tokens", {text: box(id).value, styles, negative: id.endsWith("neg_prompt")});
            const counter = document.querySelector(`[data-counter="${id}"]`);
            counter.textContent = `${found.used}/${found.room}`;
        } catch { /* the next key counts again */ }
    }, 250);
}

/** Brackets without a partner, escaped ones left out. */
function unclosed(text) {
    const partner = {")": "(", "]": "[", "}": "{"}, stack = [], wrong = [];
    for (let i = 0; i < text.length; i++) {
        const one = text[i];
        if (one === "\\") { i++; continue; }
        if ("([{".includes(one)) stack.push(one);
        else if (partner[one]) { if (stack.at(-1) === partner[one]) stack.pop(); else wrong.push(one); }
    }
    return [...new Set([...stack, ...wrong])];
}

function checkBrackets(id) {
    const wrong = unclosed(box(id).value), note = document.querySelector(`[data-brackets="${id}"]`);
    note.textContent = wrong.length ? t("prompt.brackets", {what: wrong.join(" ")}) : "";
}

/** The range that Ctrl+Up and Ctrl+Down weigh: selection, the weighted bracket around the cursor, or the word. */
function weighedRange(text, start, end) {
    for (const [opening, closing] of [["(", ")"], ["<", ">"]]) {
        let depth = 0;
        for (let i = start - 1; i >= 0; i--) {
            if (text[i] === closing) depth++;
            else if (text[i] === opening && depth-- === 0) {
                let inner = 0;
                for (let j = i + 1; j < text.length; j++) {
                    if (text[j] === opening) inner++;
                    else if (text[j] === closing && inner-- === 0) {
                        const found = text.slice(i + 1, j).match(/^([\s\S]*?):\s*(-?[\d.]+)$/);
                        if (found && j >= end) return {from: i, to: j + 1, body: found[1], weight: parseFloat(found[2]), network: opening === "<"};
                        break;
                    }
                }
                break;
            }
        }
    }
    if (start === end) {
        const stop = /[\s,.()[\]{}<>:|]/;
        while (start > 0 && !stop.test(text[start - 1])) start--;
        while (end < text.length && !stop.test(text[end])) end++;
    }
    while (end > start && /\s/.test(text[end - 1])) end--;
    return start < end ? {from: start, to: end, body: text.slice(start, end), weight: 1, network: false} : null;
}

function changeWeight(area, direction) {
    const found = weighedRange(area.value, area.selectionStart, area.selectionEnd);
    if (!found) return;
    const step = found.network ? easel.networkStep : easel.weightStep;
    const weight = parseFloat((found.weight + direction * step).toFixed(3));
    const bare = weight === 1 && !found.network;
    const made = bare ? found.body : `${found.network ? "<" : "("}${found.body}:${weight}${found.network ? ">" : ")"}`;
    setValue(area, area.value.slice(0, found.from) + made + area.value.slice(found.to));
    const begin = found.from + (bare ? 0 : 1);
    area.setSelectionRange(begin, begin + found.body.length);
}

/** Move the part between commas under the cursor one place left or right. */
function movePart(area, direction) {
    const parts = area.value.split(",");
    let at = 0, index = 0;
    while (index < parts.length - 1 && at + parts[index].length < area.selectionStart) { at += parts[index].length + 1; index++; }
    const other = index + direction;
    if (other < 0 || other >= parts.length) return;
    const words = parts.map((one) => one.trim());
    [words[index], words[other]] = [words[other], words[index]];
    const made = words.join(", ");
    setValue(area, made);
    const begin = words.slice(0, other).reduce((sum, one) => sum + one.length + 2, 0);
    area.setSelectionRange(begin, begin + words[other].length);
}

function clear_prompt(tab = easel.form) {
    const prompt = box(`${tab}_prompt`), negative = box(`${tab}_neg_prompt`);
    const before = [prompt.value, negative.value];
    if (!before[0] && !before[1]) return;
    const clear = make("button", {type: "button", class: "danger", text: t("prompt.clear")});
    const cancel = make("button", {type: "button", text: t("prompt.cancel"), on: {click: closePopup}});
    popup(t("prompt.clear_ask"), make("div", {class: "dialog-actions"}, cancel, clear));
    clear.focus();
    clear.onclick = () => {
        closePopup();
        setValue(prompt, ""); setValue(negative, "");
        toast(t("prompt.cleared"), {text: t("prompt.undo"), run: () => { setValue(prompt, before[0]); setValue(negative, before[1]); }});
    };
}

function switchWidthHeight(tab = easel.form) {
    const width = numberOf(`${tab}_width`), height = numberOf(`${tab}_height`), kept = width.value;
    setValue(width, height.value); setValue(height, kept);
}

/** Sides of a ratio with about as many pixels as the model was trained at, in multiples of 64 (less for small models). */
function ratioSize(ratio) {
    const [a, b] = ratio.split(":").map(Number), [across, down] = easel.status?.model.native_size || [512, 512];
    const side = Math.min(across, down), unit = side >= 512 ? 64 : side >= 256 ? 32 : 16;
    const width = Math.sqrt(across * down * a / b), near = (one) => Math.max(unit, Math.round(one / unit) * unit);
    return [near(width), near(width * b / a)];
}

/** Steps of a named quality, around what suits the model. */
function qualitySteps(name) {
    const model = easel.status?.model, usual = model?.defaults.steps || 20;
    const spread = model?.few_step ? {draft: usual - 2, balanced: usual, high: usual + 2} : {draft: usual * 0.6, balanced: usual, high: usual * 1.8};
    return String(Math.max(1, Math.round(spread[name])));
}

function showRatio(tab) {
    const form = document.getElementById(`${tab}_settings`), now = `${numberOf(`${tab}_width`)?.value}x${numberOf(`${tab}_height`)?.value}`;
    for (const one of form.querySelectorAll("[data-ratio]")) one.setAttribute("aria-pressed", String(ratioSize(one.dataset.ratio).join("x") === now));
    const steps = numberOf(`${tab}_steps`)?.value;
    for (const one of form.querySelectorAll("[data-quality]")) one.setAttribute("aria-pressed", String(qualitySteps(one.dataset.quality) === steps));
}

function startBoxes(tab) {
    for (const id of [`${tab}_prompt`, `${tab}_neg_prompt`]) {
        const area = box(id);
        area.addEventListener("input", () => { countTokens(id); checkBrackets(id); });
        document.querySelector(`[data-counter="${id}"]`).onclick = () => countTokens(id);
        let seen = "";
        setInterval(() => { if (area.value !== seen) { seen = area.value; countTokens(id); checkBrackets(id); } }, 600);
        document.addEventListener("easel-language", () => checkBrackets(id));
    }
    const row = document.getElementById(`${tab}_prompt_container`);
    row.addEventListener("dragover", (event) => { if (event.dataTransfer.types.includes("Files")) { event.preventDefault(); row.classList.add("dropping"); } });
    row.addEventListener("dragleave", () => row.classList.remove("dropping"));
    row.addEventListener("drop", async (event) => {
        row.classList.remove("dropping");
        const file = event.dataTransfer.files[0];
        if (!file) return;
        event.preventDefault();
        try {
            const found = await readPicture(file);
            if (found.infotext) await pasteInfotext(found.infotext, tab); else toast(t("prompt.no_info"));
        } catch (error) { tell(error); }
    });
    document.querySelector(`#${tab}_tools #paste`).onclick = async () => {
        try {
            const text = box(`${tab}_prompt`).value.trim() || easel.lastInfotext?.(tab) || (await ask("easel/last-paper")).infotext;
            await pasteInfotext(text, tab);
        } catch (error) { tell(error); }
    };
    document.getElementById(`${tab}_clear_prompt`).onclick = () => clear_prompt(tab);
}

function startNumbers(tab) {
    const put = (name, value) => setValue(numberOf(`${tab}_${name}`), String(value)), form = document.getElementById(`${tab}_settings`);
    document.getElementById(`${tab}_res_switch_btn`).onclick = () => switchWidthHeight(tab);
    for (const name of ["seed", "subseed"]) document.getElementById(`${tab}_random_${name}`).onclick = () => put(name, -1);
    for (const one of form.querySelectorAll("[data-ratio]")) one.onclick = () => {
        const [width, height] = ratioSize(one.dataset.ratio);
        put("width", width); put("height", height);
    };
    for (const one of form.querySelectorAll("[data-quality]")) one.onclick = () => put("steps", qualitySteps(one.dataset.quality));
    for (const name of ["width", "height"]) numberOf(`${tab}_${name}`).addEventListener("paste", (event) => {
        const pair = event.clipboardData.getData("text").match(/^\s*(\d+)\D+(\d+)\s*$/);
        if (!pair) return;
        event.preventDefault();
        put("width", pair[1]); put("height", pair[2]);
    });
    setInterval(() => showRatio(tab), 500);
}

onUiLoaded(() => {
    for (const tab of easel.forms) { startBoxes(tab); startNumbers(tab); }
});
