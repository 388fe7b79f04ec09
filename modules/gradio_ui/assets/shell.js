// The frame: tabs, theme, language, chips, connection, toasts, keys.
"use strict";

/** Fetch JSON from our own routes; an error carries what the server said. */
async function ask(path, body) {
    const more = body === undefined ? {} : {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)};
    let reply;
    try { reply = await fetch(path, more); } catch (error) { connection(false); throw error; }
    connection(true);
    const found = await reply.json().catch(() => ({}));
    if (!reply.ok) throw Object.assign(new Error(found.error || reply.statusText), {hint: found.hint || "", field: found.field || "", status: reply.status});
    return found;
}

function connection(works) {
    const was = easel.connected !== false;
    easel.connected = works;
    if (works === was) return;
    document.getElementById("lost")?.remove();
    if (works) toast(t("shell.back"));
    else document.body.prepend(make("div", {id: "lost", role: "alert", text: t("shell.lost")}));
}

/** `wrong`: something failed; it stays until it is put away, or the next press of a button. */
function toast(words, action, wrong = false) {
    document.querySelector(".easel-toast")?.remove();
    const box = make("div", {class: wrong ? "easel-toast wrong" : "easel-toast", role: wrong ? "alert" : "status"}, make("span", {text: words}));
    if (wrong) box.append(make("button", {type: "button", class: "away", title: t("shell.close"), "aria-label": t("shell.close"), text: "\u00d7", on: {click: () => box.remove()}}));
    if (action) box.append(make("button", {type: "button", text: action.text, on: {click: () => { action.run(); box.remove(); }}}));
    (document.querySelector("dialog[open]") || document.body).append(box); // an open dialog dims what is not in it
    if (!wrong) setTimeout(() => box.remove(), action ? 8000 : Math.max(4000, words.length * 70)); // as long as it takes to read
    else setTimeout(() => document.addEventListener("click", function next(event) {
        if (box.isConnected && !event.target.closest("button")) return;
        document.removeEventListener("click", next, true);
        box.remove();
    }, true), 0);
}

function tell(error) {
    if (easel.connected === false) return;
    toast([error.message || t("shell.error"), error.hint].filter(Boolean).join(" "), null, true);
}

/** A dialog with a title and a body; Esc, the button and a click outside close it. */
function popup(title, ...body) {
    document.querySelector("dialog.easel-dialog")?.close();
    const close = make("button", {type: "button", class: "tool-like close", title: t("shell.close"), "aria-label": t("shell.close"), text: "\u00d7"});
    const dialog = make("dialog", {class: "easel-dialog global-popup", "aria-label": title},
        make("header", {}, make("h2", {text: title}), close), ...body);
    close.onclick = () => dialog.close();
    dialog.addEventListener("close", () => dialog.remove());
    dialog.addEventListener("mousedown", (event) => { if (event.target === dialog) dialog.close(); });
    document.body.append(dialog);
    dialog.showModal();
    return dialog;
}
function closePopup() { document.querySelector("dialog.easel-dialog")?.close(); }

function selectTab(id) {
    const button = document.getElementById(`tab_button_${id}`);
    if (!button) return;
    for (const one of document.querySelectorAll("#tabs > .tab-nav > button")) {
        one.classList.toggle("selected", one === button);
        one.setAttribute("aria-current", one === button ? "page" : "false");
    }
    for (const one of document.querySelectorAll("#tabs > .tabitem")) one.style.display = one.id === `tab_${id}` ? "block" : "none";
    try { localStorage.setItem("easel.tab", id); } catch { /* private window */ }
    if (easel.forms.includes(id)) easel.form = id;
    if (document.getElementById(`${id}_generate`)) easel.maker = id;
    document.dispatchEvent(new CustomEvent("easel-tab", {detail: id}));
}
function switch_to_txt2img() { selectTab("txt2img"); return Array.from(arguments); }

function set_theme(theme) {
    easel.theme = theme;
    const dark = theme === "dark" || (theme === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
    document.body.classList.toggle("dark", dark);
    document.documentElement.classList.toggle("easel-dark", dark);
    const button = document.getElementById("theme_switch");
    if (button) { button.title = t(`theme.${theme}`); button.setAttribute("aria-label", button.title); }
}

function setSimple(simple) {
    document.body.classList.toggle("easel-simple", simple);
    const button = document.getElementById("mode_switch");
    button.textContent = t(simple ? "quick.simple" : "quick.full");
    button.setAttribute("aria-pressed", String(simple));
    button.title = t("quick.mode");
    try { localStorage.setItem("easel.simple", simple ? "1" : ""); } catch { /* private window */ }
}

function setLanguage(language) {
    easel.language = language;
    applyWords();
    document.getElementById("language_switch").textContent = easel.pick() === "zh" ? "中文" : "EN";
    setSimple(document.body.classList.contains("easel-simple"));
    set_theme(easel.theme);
    if (easel.status) showStatus(easel.status);
    document.dispatchEvent(new CustomEvent("easel-language"));
}

function showStatus(found) {
    easel.status = found;
    const engine = found.engine, chip = document.getElementById("chip_model");
    const memory = `${(engine.memory_bytes / 2 ** 30).toFixed(1)}/${Math.round(engine.memory_total_bytes / 2 ** 30)} GB`;
    const device = (engine.device || "").split(":")[0].toUpperCase();
    const facts = [device, engine.mode, memory].filter(Boolean).join(" ");
    if (engine.state === "loading") chip.textContent = t("engine.loading", {model: engine.model || "...", seconds: Math.round(engine.seconds)});
    else if (engine.state === "failed") chip.textContent = t("engine.failed");
    else chip.textContent = facts;
    chip.title = engine.state === "failed" ? engine.detail : engine.device;
    chip.classList.toggle("bad", engine.state === "failed");
    const waiting = (found.queue.queued || 0) + (found.queue.running || 0);
    document.getElementById("chip_queue").textContent = t("quick.waiting", {n: waiting});
    document.dispatchEvent(new CustomEvent("easel-status", {detail: found}));
}

async function pollStatus() {
    let again = 3000;
    try {
        const found = await ask("easel/status");
        showStatus(found);
        if (found.engine.state === "loading") again = 700;
    } catch { again = 1500; }
    setTimeout(pollStatus, document.hidden ? 10000 : again);
}

async function showModels(refresh) {
    const found = await ask("easel/models", refresh ? {} : undefined);
    const choice = document.getElementById("checkpoint_choice");
    const chosen = found.chosen || easel.status?.engine.model || found.titles[0];
    const titles = found.titles.length ? found.titles : [];
    const broken = (one) => found.broken.includes(one);
    choice.replaceChildren(...titles.map((one) => make("option", {value: one, text: broken(one) ? t("quick.broken", {model: one}) : one,
        disabled: broken(one), selected: one === chosen})));
    showVaes(found);
    if (!titles.length) choice.append(make("option", {value: "", text: t("quick.no_models")}));
    if (refresh) for (const tab of easel.forms) fillForm({models: true}, tab);
}
/** A choice only where there are VAE files, or where one was chosen that is gone. */
function showVaes(found) {
    const gone = !["Automatic", "None", ...found.vaes].includes(found.vae), choice = document.getElementById("vae_choice");
    document.getElementById("setting_sd_vae").hidden = !found.vaes.length && !gone;
    const words = (one) => one === "Automatic" ? t("quick.vae_automatic") : one === "None" ? t("quick.vae_none") : one;
    choice.replaceChildren(...["Automatic", "None", ...found.vaes].map((one) => make("option", {value: one, text: words(one), selected: one === found.vae})));
    if (gone) choice.prepend(make("option", {value: found.vae, text: t("quick.broken", {model: found.vae}), selected: true, disabled: true}));
}
function selectCheckpoint(title) { return ask("easel/models/choose", {title}).then(showStatus).catch(tell); }

onUiLoaded(() => {
    drawIcons();
    set_theme(easel.theme);
    let simple = false, tab = "txt2img";
    try { simple = !!localStorage.getItem("easel.simple"); tab = localStorage.getItem("easel.tab") || tab; } catch { /* private window */ }
    setSimple(simple);
    setLanguage(easel.language);
    document.querySelector("#tabs > .tab-nav").addEventListener("click", (event) => {
        const button = event.target.closest("button");
        if (button) selectTab(button.id.replace("tab_button_", ""));
    });
    selectTab(document.getElementById(`tab_${tab}`) ? tab : "txt2img");
    document.getElementById("theme_switch").onclick = () => {
        const dark = document.body.classList.contains("dark");
        set_theme(dark ? "light" : "dark");
        ask("easel/settings", {changes: {gradio_theme_mode: easel.theme}}).catch(tell);
    };
    document.getElementById("language_switch").onclick = () => {
        setLanguage(easel.pick() === "zh" ? "en" : "zh");
        ask("easel/settings", {changes: {localization: easel.language}}).catch(tell);
    };
    document.getElementById("mode_switch").onclick = () => setSimple(!document.body.classList.contains("easel-simple"));
    document.getElementById("chip_queue").onclick = () => selectTab("queue");
    document.getElementById("refresh_checkpoints").onclick = () => showModels(true).catch(tell);
    document.getElementById("checkpoint_choice").onchange = (event) => selectCheckpoint(event.target.value);
    document.getElementById("vae_choice").onchange = (event) => ask("easel/settings", {changes: {sd_vae: event.target.value}}).catch(tell);
    document.addEventListener("easel-language", () => showModels(false).catch(tell));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => set_theme(easel.theme));
    pollStatus();
    showModels(false).catch(tell);
});
onAfterUiUpdate(drawIcons);
