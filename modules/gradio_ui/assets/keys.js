// All keys of the page in one place: what each action does, and which combination asks for it (settings, section Keys).
"use strict";

/** {action: run}; run returns false when the action has nothing to do here, and the key goes on its way. */
easel.actions = {};

/** A key event as the settings spell it: Ctrl+Shift+K. Shift counts only where it does not make another character. */
function keyOf(event) {
    const key = event.key === " " ? "Space" : event.key.length === 1 ? event.key.toUpperCase() : event.key;
    const shift = event.shiftKey && (key.length > 1 || key !== event.key.toLowerCase());
    return [(event.ctrlKey || event.metaKey) && "Ctrl", event.altKey && "Alt", shift && "Shift", key].filter(Boolean).join("+");
}

function typing(target) {
    return target.closest?.("textarea, input:not([type=checkbox], [type=range], [type=file]), select, [contenteditable=true]");
}

/** A letter or an arrow alone belongs to the field that is typed in. */
function meantForField(event) {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !/^(Escape|F\d+)$/.test(event.key);
    return plain && (typing(event.target) || event.target.closest?.("input[type=range]"));
}

document.addEventListener("keydown", (event) => {
    if (event.isComposing || document.querySelector("dialog[open]") || meantForField(event)) return;
    const asked = keyOf(event);
    for (const [action, combination] of Object.entries(easel.keys)) {
        if (combination && combination === asked && easel.actions[action]?.(event) !== false) { event.preventDefault(); return; }
    }
});

const shownKeys = {ArrowUp: "\u2191", ArrowDown: "\u2193", ArrowLeft: "\u2190", ArrowRight: "\u2192", Escape: "Esc"};
function keyCaps(combination) {
    const mac = /Mac|iPhone|iPad/.test(navigator.platform);
    const parts = combination.endsWith("++") ? [...combination.slice(0, -2).split("+"), "+"] : combination.split("+");
    return parts.map((one) => make("kbd", {text: one === "Ctrl" && mac ? "Cmd" : shownKeys[one] || one}));
}

/** The panel: every action with its key. */
function showKeys() {
    const list = make("dl", {class: "keys"});
    for (const [action, combination] of Object.entries(easel.keys)) {
        list.append(make("dt", {}, ...(combination ? keyCaps(combination) : [make("span", {class: "quiet", text: t("keys.none")})])),
            make("dd", {text: t(`keys.${action}`)}));
    }
    const change = make("button", {type: "button", text: t("keys.change"), on: {click: () => { closePopup(); searchSettings("key_"); }}});
    popup(t("keys.title"), list, make("div", {class: "dialog-actions"}, change));
}

/** Fill an input of the settings with the combination that is pressed in it; Tab leaves, Backspace clears. */
function recordKey(input) {
    input.addEventListener("keydown", (event) => {
        if (event.key === "Tab" || ["Control", "Alt", "Shift", "Meta"].includes(event.key)) return;
        event.preventDefault();
        event.stopPropagation();
        input.value = event.key === "Backspace" && !event.ctrlKey ? "" : keyOf(event);
        input.dispatchEvent(new Event("change", {bubbles: true}));
    });
}

onUiLoaded(() => {
    const click = (name) => () => { const button = document.getElementById(`${easel.maker}_${name}`); if (!button || button.disabled) return false; button.click(); };
    const inPrompt = (change) => (event) => event.target.closest?.(".prompt") && event.target.tagName === "TEXTAREA" ? change(event.target) : false;
    const inGallery = (act) => () => {
        const gallery = easel.galleries[easel.maker];
        if (!gallery.picture || !uiElementIsVisible(gallery.panel)) return false;
        const at = document.activeElement;
        if (at && at !== document.body && !gallery.panel.contains(at)) return false;
        act(gallery);
    };
    Object.assign(easel.actions, {
        generate: click("generate"),
        skip: click("skip"),
        interrupt: () => (document.querySelector("ul.options") ? false : click("interrupt")()),
        weight_up: inPrompt((area) => changeWeight(area, 1)),
        weight_down: inPrompt((area) => changeWeight(area, -1)),
        move_left: inPrompt((area) => movePart(area, -1)),
        move_right: inPrompt((area) => movePart(area, 1)),
        previous: inGallery((gallery) => gallery.select(gallery.index - 1)),
        next: inGallery((gallery) => gallery.select(gallery.index + 1)),
        save: inGallery((gallery) => gallery.act("save")),
        search: () => searchSettings(""),
        help: showKeys,
    });
    for (const button of document.querySelectorAll('[data-action="keys"]')) {
        const name = () => { button.title = t("keys.title"); button.setAttribute("aria-label", button.title); };
        button.onclick = showKeys;
        name();
        document.addEventListener("easel-language", name);
    }
    onOptionsChanged(() => {
        for (const action of Object.keys(easel.keys)) easel.keys[action] = opts[`key_${action}`];
        applyWords();
    });
});
