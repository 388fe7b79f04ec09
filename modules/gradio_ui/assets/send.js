// Handing pictures in, and carrying a picture and its paper to the tab that works on it.
"use strict";

/** Targets that are one mode of a tab. */
const sendTabs = {inpaint: "img2img", sketch: "img2img", inpaint_sketch: "img2img"};

/** Keep a picture to work on: {url} of a job's picture, or {file} of this computer. {reference, name, width, height} */
async function keepPicture({url, file}) {
    if (url) return ask(`${url.split("?")[0]}/take`, {});
    const reply = await fetch(`easel/inputs?name=${encodeURIComponent(file.name)}`, {method: "POST", headers: {"Content-Type": "application/octet-stream"}, body: file});
    const found = await reply.json();
    if (!reply.ok) throw Object.assign(new Error(found.error), {hint: found.hint});
    return found;
}

/** Where a kept picture can be seen. */
function keptUrl(reference) { return `easel/inputs/${reference.replace("sha256:", "")}`; }

/** Carry a picture to `target` (txt2img, img2img, inpaint, sketch, inpaint_sketch, extras): {url}, {file} or {reference}; with
 *  `fields`, a parsed infotext, the form is filled too. A tab hears of it by the event "easel-taken" {tab, target, picture},
 *  and in Python by its hidden text {tab}_taken and button {tab}_take. Without a picture the fields alone are carried. */
async function easelSend(target, {url, file, reference, fields} = {}) {
    const tab = sendTabs[target] || target;
    try {
        const picture = tab === "txt2img" ? null : reference ? {reference} : url || file ? await keepPicture({url, file}) : null;
        if (picture) {
            document.dispatchEvent(new CustomEvent("easel-taken", {detail: {tab, target, picture}}));
            setValue(box(`${tab}_taken`), JSON.stringify({...picture, target, sent: randomId()}));
            setTimeout(() => document.getElementById(`${tab}_take`)?.click(), 30);
        }
        if (easel.forms.includes(tab)) {
            const paper = fields && ("Steps" in fields || "Seed" in fields) ? {fields, whole: true} : {};
            const size = picture?.width ? {values: {width: picture.width, height: picture.height}} : {}; // a paper tells the first pass's
            if (paper.fields || size.values) fillForm({...paper, ...size}, tab);
        }
        selectTab(tab);
    } catch (error) { tell(error); }
}

/** Several pictures that are handed in: a place to drop them, a line that lists them, and the form's hidden text. */
function startPile(drop, list, kept) {
    const place = document.getElementById(drop), input = place.querySelector("input"), line = document.getElementById(list), stored = box(kept);
    const pictures = () => { try { return JSON.parse(stored.value || "[]"); } catch { return []; } };
    let seen = null;
    function show() {
        const names = pictures().map((one) => one.name);
        line.replaceChildren();
        if (!names.length) return;
        line.append(`${t("batch.count", {n: names.length})} ${names.slice(0, 8).join(", ")}${names.length > 8 ? " ..." : ""} `,
            make("button", {type: "button", class: "link", text: t("batch.clear"), on: {click: () => setValue(stored, "")}}));
    }
    async function take(files) {
        const found = [], wrong = [];
        for (const file of files) {
            try { const {reference, name} = await keepPicture({file}); found.push({reference, name}); } catch { wrong.push(file.name); }
            line.textContent = t("batch.reading", {n: pictures().length + found.length});
        }
        setValue(stored, JSON.stringify([...pictures(), ...found])); // read again: others may have come meanwhile
        seen = null;
        if (wrong.length) toast(t("batch.unread", {names: wrong.join(", ")}));
    }
    input.onchange = () => { take(Array.from(input.files)); input.value = ""; };
    place.addEventListener("dragover", (event) => { event.preventDefault(); place.classList.add("dropping"); });
    place.addEventListener("dragleave", () => place.classList.remove("dropping"));
    place.addEventListener("drop", (event) => { event.preventDefault(); place.classList.remove("dropping"); take(Array.from(event.dataTransfer.files)); });
    place.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); input.click(); } });
    setInterval(() => { if (stored.value !== seen) { seen = stored.value; show(); } }, 400);
    document.addEventListener("easel-language", show);
}
