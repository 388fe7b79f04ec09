// img2img: its modes, carrying pictures between them, sizes of the picture, the batch.
"use strict";

const modePictures = {img2img: "img2img_image", sketch: "img2img_sketch", inpaint: "img2maskimg", inpaint_sketch: "inpaint_sketch", upload: "img_inpaint_base"};
const wholeModes = ["img2img", "sketch", "inpaint", "inpaint_sketch"]; // what a picture can be copied from and to

/** Buttons that show one of several panels, and the form's hidden text that keeps which. */
function startPanels(root, kept, first, changed) {
    const bar = document.querySelector(`[data-nav="${root}"]`), stored = box(kept), buttons = Array.from(bar.querySelectorAll("button"));
    function show(value) {
        const chosen = buttons.find((one) => one.dataset.value === value) || buttons[0];
        for (const one of buttons) {
            one.classList.toggle("selected", one === chosen);
            one.setAttribute("aria-selected", String(one === chosen));
            one.tabIndex = one === chosen ? 0 : -1;
            document.getElementById(one.dataset.panel).style.display = one === chosen ? "" : "none";
        }
        changed?.(chosen.dataset.value);
    }
    function choose(value) { setValue(stored, value); show(value); }
    for (const one of buttons) {
        one.onclick = () => choose(one.dataset.value);
        Object.assign(document.getElementById(one.dataset.panel), {role: "tabpanel"});
    }
    bar.addEventListener("keydown", (event) => {
        const at = buttons.indexOf(document.activeElement), last = buttons.length - 1;
        const to = {ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at ? at - 1 : last, Home: 0, End: last}[event.key];
        if (at < 0 || to === undefined) return;
        event.preventDefault();
        choose(buttons[to].dataset.value);
        buttons[to].focus();
    });
    show(stored.value || first);
    let seen = stored.value;
    setInterval(() => { if (stored.value !== seen) { seen = stored.value; show(seen || first); } }, 300); // pasted, or restored
    return {choose, now: () => stored.value || first};
}

/** The picture box of the chosen mode; null in the batch. */
function modePicture() { return easel.canvases[modePictures[easel.modes.now()]] || null; }

function showMode(mode) {
    document.getElementById("tab_img2img").dataset.mode = mode;
    modePicture()?.fit();
    showCopies();
    showScaled();
}

function showCopies() {
    const mode = easel.modes?.now();
    document.getElementById("img2img_copy").hidden = !wholeModes.includes(mode) || !modePicture()?.reference;
    for (const one of document.querySelectorAll("[data-copy]")) one.hidden = one.dataset.copy === mode;
}

async function copyPicture(target) {
    const from = modePicture();
    if (!from?.reference) return;
    try {
        await easel.canvases[modePictures[target]].put(await from.flat());
        easel.modes.choose(target);
    } catch (error) { tell(error); }
}

/** [width, height] of the picture that img2img starts from; [0, 0] while there is none. */
function currentImg2imgSourceResolution() { return modePicture()?.size || [0, 0]; }

function detectSize() {
    const [width, height] = currentImg2imgSourceResolution();
    if (!width) { toast(t("img2img.no_picture")); return; }
    setValue(numberOf("img2img_width"), String(width));
    setValue(numberOf("img2img_height"), String(height));
}

function showScaled() {
    const [width, height] = easel.modes ? currentImg2imgSourceResolution() : [0, 0], scale = Number(numberOf("img2img_scale")?.value || 1);
    const words = width ? t("hires.from_to", {from: `${width} \u00d7 ${height}`, to: `${Math.floor(width * scale)} \u00d7 ${Math.floor(height * scale)}`}) : "";
    const line = document.getElementById("img2img_scale_resolution_preview");
    if (line.textContent !== words) line.textContent = words;
}

/** Before img2img is handed in, what was drawn must be. */
async function settleDrawing() { await modePicture()?.settle(); }

onUiLoaded(() => {
    easel.modes = startPanels("mode_img2img", "img2img_mode", "img2img", (mode) => setTimeout(() => showMode(mode), 0));
    startPanels("img2img_tabs_resize", "img2img_resize_by_kept", "to");
    startPanels("img2img_batch_source", "img2img_batch_source_kept", "upload");
    startPile("img2img_batch_upload", "img2img_batch_list", "img2img_batch_upload_kept");
    for (const one of document.querySelectorAll("[data-copy]")) one.onclick = () => copyPicture(one.dataset.copy);
    document.getElementById("img2img_detect_image_size_btn").onclick = detectSize;
    document.addEventListener("easel-picture", () => { showCopies(); showScaled(); });
    document.addEventListener("easel-taken", (event) => {
        const {tab, target, picture} = event.detail;
        if (tab !== "img2img" || !(target in modePictures)) return;
        easel.modes.choose(target);
        easel.canvases[modePictures[target]].put(picture.reference).catch(tell);
    });
    const restore = setInterval(() => { // the form is filled a moment after it is there
        if (!box("img2img_ready").value) return;
        clearInterval(restore);
        for (const one of Object.values(easel.canvases)) one.restore().then(() => document.dispatchEvent(new CustomEvent("easel-picture", {detail: one}))).catch(tell);
    }, 100);
    document.addEventListener("easel-tab", () => { for (const one of Object.values(easel.canvases)) one.fit(); });
    document.addEventListener("easel-language", showScaled);
    document.addEventListener("easel-status", (event) => document.getElementById("tab_img2img").classList.toggle("pix2pix", !!event.detail.model.edits));
    setInterval(() => { showScaled(); if (uiElementIsVisible(modePicture()?.view)) modePicture().soften?.(); }, 500);
});
