// Globals that users' scripts and extensions know from elsewhere and that the page itself does not need.
"use strict";

var localization = {};
var ignore_ids_for_localization = {};
var re_num = /^[.\d]+$/;
var re_emoji = /\p{Extended_Pictographic}/u;
var activePromptTextarea = {};

/** An English text of the page in the chosen language; undefined when the page has no such text. */
function getTranslation(text) { return localization[text]; }

function request(url, data, onDone, onError) {
    fetch(url, {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(data)})
        .then((reply) => (reply.ok ? reply.json() : Promise.reject(reply.status))).then(onDone, onError);
}

function requestGet(url, data, onDone, onError) {
    fetch(`${url}?${new URLSearchParams(data)}`).then((reply) => (reply.ok ? reply.json() : Promise.reject(reply.status))).then(onDone, onError);
}

/** Watch a job until it is over or forgotten: onProgress({progress, eta, active, completed, textinfo}) at each answer, atEnd() once. */
function requestProgress(id, container, gallery, atEnd, onProgress) {
    (async function look() {
        let job = null;
        try { job = await ask(`easel/jobs/${id}`); } catch (error) {
            if (error.status !== 404) { setTimeout(look, 1500); return; } // the job goes on without us
        }
        const active = job?.state === "running", completed = !job || !["queued", "running"].includes(job.state);
        onProgress?.({active, completed, queued: job?.state === "queued", progress: job?.progress?.fraction ?? 0, eta: job?.progress?.eta_s ?? null, textinfo: job?.state || ""});
        if (completed) atEnd?.(); else setTimeout(look, easel.refreshMs);
    })();
}

/** Call `run` when a box has rested for `afterMs`; the function returned calls it at once. */
function onEdit(id, element, afterMs, run) {
    let timer = 0;
    element.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(run, afterMs); });
    return () => { clearTimeout(timer); run(); };
}

function setRandomSeed(id) {
    const input = document.querySelector(`#${id} input`);
    if (input) setValue(input, "-1");
    return [];
}

function inputAccordionChecked(id, checked) {
    const label = document.querySelector(`#${id} > button.label-wrap`);
    if (label && label.classList.contains("open") !== checked) label.click();
}

function recalculate_prompts_txt2img() { countTokens("txt2img_prompt"); countTokens("txt2img_neg_prompt"); return Array.from(arguments); }
function recalculate_prompts_img2img() { countTokens("img2img_prompt"); countTokens("img2img_neg_prompt"); return Array.from(arguments); }
function create_submit_args(args) { return Array.from(args); }
function get_tab_index(id) {
    const buttons = Array.from(document.querySelectorAll(`#${id} > .tab-nav > button, [data-nav="${id}"] > button`));
    return Math.max(0, buttons.findIndex((one) => one.classList.contains("selected")));
}
function create_tab_index_args(id, args) { return [get_tab_index(id), ...Array.from(args).slice(1)]; }
function extract_image_from_gallery(gallery) { return [gallery?.[Math.max(0, selected_gallery_index())] ?? null]; }
function submit() { document.getElementById("txt2img_generate").click(); return create_submit_args(arguments); }
function submit_img2img() { document.getElementById("img2img_generate").click(); return create_submit_args(arguments); }
function switch_to_img2img_tab(number) { selectTab("img2img"); easel.modes.choose(Object.keys(modePictures)[number] || "batch"); }
function switch_to_img2img() { switch_to_img2img_tab(0); return Array.from(arguments); }
function switch_to_sketch() { switch_to_img2img_tab(1); return Array.from(arguments); }
function switch_to_inpaint() { switch_to_img2img_tab(2); return Array.from(arguments); }
function switch_to_inpaint_sketch() { switch_to_img2img_tab(3); return Array.from(arguments); }
function switch_to_extras() { selectTab("extras"); return Array.from(arguments); }
function dimensionChange() { showScaled(); return Array.from(arguments); }
function restart_reload() { location.reload(); return []; }
function popupId(id) { const element = document.getElementById(id); if (element) popup(element.title || "", element); }

/** A right click on elements of `selector` offers `words`; returns an id for removeContextMenuOption. */
function appendContextMenuOption(selector, words, run) {
    const id = randomId();
    contextOptions.set(id, {selector, words, run});
    return id;
}
function removeContextMenuOption(id) { contextOptions.delete(id); }
const contextOptions = new Map();

function closeContextMenu() { document.querySelector(".context-menu")?.remove(); }

document.addEventListener("contextmenu", (event) => {
    closeContextMenu();
    const wanted = Array.from(contextOptions.values()).filter((one) => event.target.closest?.(one.selector));
    if (!wanted.length) return;
    event.preventDefault();
    const menu = make("div", {class: "context-menu", role: "menu"}, ...wanted.map((one) => make("button", {type: "button", role: "menuitem",
        text: typeof one.words === "function" ? one.words() : one.words, on: {click: () => { closeContextMenu(); one.run(); }}})));
    document.body.append(menu);
    menu.style.left = `${Math.min(event.clientX, innerWidth - menu.offsetWidth - 8)}px`;
    menu.style.top = `${Math.min(event.clientY, innerHeight - menu.offsetHeight - 8)}px`;
    menu.querySelector("button").focus();
});
document.addEventListener("click", (event) => { if (!event.target.closest?.(".context-menu")) closeContextMenu(); });
document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !document.querySelector(".context-menu")) return;
    closeContextMenu();
    event.preventDefault();
    event.stopPropagation(); // this press is spent; it must not interrupt the job too
}, true);

/** Generate again whenever nothing waits, until told to stop, or a request is refused or fails. */
easel.forever = 0;
function generateForever(tab = easel.form) {
    stopForever();
    easel.forever = setInterval(() => { if (!easel.busy && easel.connected !== false) document.getElementById(`${tab}_generate`).click(); }, 500);
}
function stopForever() { clearInterval(easel.forever); easel.forever = 0; }
document.addEventListener("easel-ended", (event) => { if (["refused", "failed"].includes(event.detail.state)) stopForever(); });

onUiLoaded(() => {
    const words = () => { localization = Object.fromEntries(Object.entries(easel.words.en).map(([key, english]) => [english, t(key)])); };
    words();
    document.addEventListener("easel-language", words);
    for (const tab of easel.forms) {
        activePromptTextarea[tab] = box(`${tab}_prompt`);
        for (const id of [`${tab}_prompt`, `${tab}_neg_prompt`]) box(id).addEventListener("focus", () => { activePromptTextarea[tab] = box(id); });
        appendContextMenuOption(`#${tab}_generate`, () => t("generate.forever"), () => generateForever(tab));
        appendContextMenuOption(`#${tab}_generate`, () => t("generate.forever_stop"), stopForever);
        appendContextMenuOption(`#${tab}_interrupt`, () => t("generate.forever_stop"), stopForever);
    }
});
