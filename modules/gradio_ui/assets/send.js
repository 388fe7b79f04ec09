// Carrying a picture and its paper to the tab that works on it.
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
        if (fields && easel.forms.includes(tab) && ("Steps" in fields || "Seed" in fields)) fillForm({fields, whole: true}, tab);
        selectTab(tab);
    } catch (error) { tell(error); }
}
