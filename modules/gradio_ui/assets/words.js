// The page's words in the chosen language, and small helpers to build elements. Text goes in as text, never as HTML.
"use strict";

easel.pick = function () {
    const wanted = easel.language === "browser" ? (navigator.language || "en") : easel.language;
    return wanted.toLowerCase().startsWith("zh") ? "zh" : "en";
};

/** The words of a key; {name} is filled from `values`. */
function t(key, values) {
    const words = easel.words[easel.pick()] || {};
    const found = words[key] ?? easel.words.en[key] ?? key;
    return values ? found.replace(/\{(\w+)\}/g, (all, name) => (name in values ? values[name] : all)) : found;
}

/** make("button", {class, text, title, on: {click}}, ...children) */
function make(tag, about = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(about)) {
        if (value === undefined || value === null || value === false) continue;
        if (name === "text") element.textContent = value;
        else if (name === "on") for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
        else if (name === "class") element.className = value;
        else if (name in element && typeof value !== "string") element[name] = value;
        else element.setAttribute(name, value);
    }
    element.append(...children.filter((one) => one !== null && one !== undefined));
    return element;
}

function setWord(element, words) {
    const node = Array.from(element.childNodes).find((one) => one.nodeType === Node.TEXT_NODE && one.data.trim());
    if (node) node.data = words; else element.append(words);
}

function labelControl(id, words) {
    for (const element of document.querySelectorAll(`[id="${id}"]`)) labelElement(element, words); // each tab has a "script_list"
}

function labelElement(element, words) {
    if (element.tagName === "BUTTON") { setWord(element, words); return; }
    const fold = element.querySelector("button.label-wrap > span");
    if (fold) { setWord(fold, words); return; } // an accordion: what is inside has labels of its own
    const title = element.querySelector('[data-testid="block-info"]');
    if (title) setWord(title, words);
    const tick = element.tagName !== "FIELDSET" && element.querySelector("label > input[type=checkbox]");
    if (tick) { setWord(tick.parentElement.querySelector("span"), words); return; }
    const sole = element.querySelectorAll("textarea, input[type=number], input[role=combobox], input[role=listbox]");
    for (const one of sole) one.setAttribute("aria-label", words);
    const range = element.querySelector("input[type=range]");
    if (range) range.setAttribute("aria-label", words);
}

function nameElement(kind, id, key) {
    if (kind === "label") labelControl(id, t(key));
    else if (kind === "tip") {
        for (const element of document.querySelectorAll(`[id="${id}"]`)) { // the tools of each tab have a "paste"
            element.title = t(key, easel.keys); // a tip may name the key of its action
            if (element.tagName === "BUTTON" && !element.textContent.trim()) element.setAttribute("aria-label", element.title);
        }
    } else if (kind === "placeholder") {
        const area = box(id);
        if (area) area.placeholder = t(key);
    } else {
        const button = document.getElementById(`tab_button_${id}`);
        if (button) setWord(button, t(key));
    }
}

/** Write the words of the chosen language into everything that names a key. */
function applyWords(root = document) {
    document.documentElement.lang = easel.pick() === "zh" ? "zh-CN" : "en";
    for (const key of Object.keys(easel.words.en)) {
        const [kind, name] = key.split(/\.(.*)/);
        if (["label", "tip", "placeholder", "tab"].includes(kind)) for (const id of namedIds(name)) nameElement(kind, id, key);
    }
    for (const input of root.querySelectorAll("fieldset input:is([type=radio], [type=checkbox])")) {
        const words = `choice.${input.type === "radio" ? input.value : input.name}`, shown = input.parentElement.querySelector("span");
        if (shown && words in easel.words.en) setWord(shown, t(words));
    }
    for (const element of root.querySelectorAll("[data-t]")) setWord(element, t(element.dataset.t));
    for (const element of root.querySelectorAll("[data-t-title]")) {
        element.title = t(element.dataset.tTitle);
        if (!element.textContent.trim() && !element.classList.contains("chip")) element.setAttribute("aria-label", element.title);
    }
    for (const element of root.querySelectorAll("[data-t-aria]")) element.setAttribute("aria-label", t(element.dataset.tAria));
    for (const element of root.querySelectorAll("[data-t-placeholder]")) element.placeholder = t(element.dataset.tPlaceholder);
}

function formatTime(seconds) {
    const n = Math.max(0, seconds);
    if (n < 60) return t("time.s", {n: n < 10 ? n.toFixed(1) : Math.round(n)});
    if (n >= 3600) return t("time.h", {h: Math.floor(n / 3600), m: Math.floor(n % 3600 / 60)});
    return t("time.min", {m: Math.floor(n / 60), n: Math.round(n % 60)});
}

function formatBytes(bytes) {
    if (bytes >= 1e9) return `${(bytes / 2 ** 30).toFixed(1)} GB`;
    return bytes >= 1e6 ? `${Math.round(bytes / 2 ** 20)} MB` : `${Math.ceil(bytes / 2 ** 10)} kB`;
}
