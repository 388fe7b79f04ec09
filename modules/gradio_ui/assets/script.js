// The globals that users' scripts know: gradioApp, onUiLoaded, onUiUpdate, ... Classic script: every function is a global.
"use strict";

var uiUpdateCallbacks = [];
var uiAfterUpdateCallbacks = [];
var uiLoadedCallbacks = [];
var uiTabChangeCallbacks = [];
var optionsChangedCallbacks = [];
var optionsAvailableCallbacks = [];
var opts = {};
var uiCurrentTab = null;
var uiLoaded = false;

/** The tabs that make pictures, and the one that was looked at last. */
easel.forms = ["txt2img", "img2img"];
easel.form = "txt2img";
/** The tab with a Generate button that was looked at last. */
easel.maker = "txt2img";

/** Ids that a name of the text table stands for: `*_steps` is the control of every tab that makes pictures. */
function namedIds(name) { return name.startsWith("*") ? easel.forms.map((tab) => tab + name.slice(1)) : [name]; }

function gradioApp() {
    const found = document.getElementsByTagName("gradio-app")[0] || document;
    return found.shadowRoot || found;
}

function get_uiCurrentTab() {
    return document.querySelector("#tabs > .tab-nav > button.selected");
}

function get_uiCurrentTabContent() {
    return document.querySelector('#tabs > .tabitem[id^="tab_"]:not([style*="display: none"])');
}

function onUiUpdate(callback) { uiUpdateCallbacks.push(callback); }
function onAfterUiUpdate(callback) { uiAfterUpdateCallbacks.push(callback); }
function onUiTabChange(callback) { uiTabChangeCallbacks.push(callback); }
function onOptionsChanged(callback) { optionsChangedCallbacks.push(callback); }
function onUiLoaded(callback) { if (uiLoaded) executeCallbacks([callback]); else uiLoadedCallbacks.push(callback); }
function onOptionsAvailable(callback) {
    if (Object.keys(opts).length) executeCallbacks([callback]); else optionsAvailableCallbacks.push(callback);
}

/** One callback that throws is reported and stops no other. */
function executeCallbacks(queue, arg) {
    for (const callback of queue) {
        try { callback(arg); } catch (error) { console.error("A page callback failed:", error); }
    }
}

function updateInput(target) {
    target.dispatchEvent(new Event("input", {bubbles: true}));
}

function uiElementIsVisible(element) {
    return !!(element && element.getClientRects().length);
}

function uiElementInSight(element) {
    const box = element.getBoundingClientRect();
    return box.bottom > 0 && box.top < window.innerHeight;
}

function randomId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
}

function pad2(number) { return String(number).padStart(2, "0"); }

function setTitle(text) { document.title = text ? `${text} - Easel` : "Easel"; }

(function watch() {
    let planned = false;
    const named = Object.keys(easel.words.en).filter((key) => /^(label|tip)\./.test(key)).flatMap((key) => namedIds(key.split(".")[1]));
    /** Gradio mounts part by part: the page is there when every control that has a label or a tip is. */
    function mounted() {
        return easel.forms.every((tab) => document.querySelector(`#${tab}_prompt textarea`)) && document.querySelector("#footer span")
            && document.querySelector("[data-action=keys]") && document.querySelector("#queue_list") && document.querySelector("#settings_list")
            && named.every((id) => document.getElementById(id));
    }
    function changed() {
        planned = false;
        executeCallbacks(uiUpdateCallbacks);
        executeCallbacks(uiAfterUpdateCallbacks);
        const tab = get_uiCurrentTab();
        if (tab && tab !== uiCurrentTab) {
            uiCurrentTab = tab;
            executeCallbacks(uiTabChangeCallbacks);
        }
    }
    const observer = new MutationObserver(() => {
        if (!uiLoaded && mounted()) {
            uiLoaded = true;
            executeCallbacks(uiLoadedCallbacks);
        }
        if (uiLoaded && !planned) {
            planned = true;
            setTimeout(changed, 50);
        }
    });
    observer.observe(document.documentElement, {childList: true, subtree: true});
})();
