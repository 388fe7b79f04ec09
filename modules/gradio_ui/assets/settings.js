// Settings: one row each, found by typing, stored at once; a wrong value says why beside itself.
"use strict";

/** Open the settings with words in the search box; without any, the box waits for them. */
function searchSettings(words) {
    selectTab("settings");
    const search = document.getElementById("settings_search");
    search.value = words;
    search.dispatchEvent(new Event("input"));
    search.focus();
}

onUiLoaded(() => {
    const list = document.getElementById("settings_list"), search = document.getElementById("settings_search");
    const nav = document.getElementById("settings_sections"), result = document.getElementById("settings_result");
    const tabs = document.getElementById("settings_tabs");
    let all = [];
    const word = (kind, key, english) => { const found = t(`${kind}.${key}`); return found === `${kind}.${key}` ? english : found; };

    function range(one) {
        if (one.minimum !== null && one.maximum !== null) return t("settings.range", {low: one.minimum, high: one.maximum});
        return one.minimum !== null ? t("settings.from", {low: one.minimum}) : "";
    }

    function control(one, id, store) {
        const about = {id, on: {change: (event) => store(event.target)}, disabled: !one.editable};
        if (one.kind === "bool") return make("input", {...about, type: "checkbox", checked: one.value});
        if (one.choices.length) return make("select", about, ...one.choices.map((each) => make("option", {value: each, text: each, selected: each === one.value})));
        if (one.kind === "int" || one.kind === "float") {
            const input = make("input", {...about, type: "number", step: String(one.step ?? (one.kind === "int" ? 1 : "any"))});
            if (one.minimum !== null) input.min = one.minimum;
            if (one.maximum !== null) input.max = one.maximum;
            input.value = one.value;
            return input;
        }
        const input = make("input", {...about, type: "text", spellcheck: false});
        if (one.kind === "key") { input.placeholder = t("keys.none"); recordKey(input); }
        input.value = one.kind === "list" ? one.value.join(", ") : one.kind === "dict" ? JSON.stringify(one.value) : one.value;
        return input;
    }

    function read(one, input) {
        if (one.kind === "bool") return input.checked;
        if (one.kind === "int" || one.kind === "float") return input.value === "" ? null : Number(input.value);
        if (one.kind === "list") return input.value.split(",").map((each) => each.trim()).filter(Boolean);
        if (one.kind === "dict") return JSON.parse(input.value);
        return input.value;
    }

    function row(one) {
        const id = `setting_${one.key}_input`, said = make("span", {class: "said", role: "status"});
        const store = async (input) => {
            try {
                await put(read(one, input));
            } catch (error) { said.className = "said bad"; said.textContent = [error.message, error.hint].filter(Boolean).join(" "); }
        };
        const put = async (value) => {
            const found = await ask("easel/settings", {changes: {[one.key]: value}});
            one.value = found.values[one.key];
            opts[one.key] = one.value;
            executeCallbacks(optionsChangedCallbacks);
            if (one.kind === "key") field.value = one.value;
            said.className = "said good";
            said.textContent = t("settings.stored");
            reset.hidden = JSON.stringify(one.value) === JSON.stringify(one.default);
            if (one.key === "localization") { setLanguage(one.value); }
            if (one.key === "gradio_theme_mode") set_theme(one.value);
            setTimeout(() => { if (said.classList.contains("good")) said.textContent = ""; }, 2500);
        };
        const field = control(one, id, store);
        const reset = make("button", {type: "button", class: "tool-like", title: t("settings.reset"), "aria-label": `${t("settings.reset")}: ${one.label}`,
            hidden: !one.editable || JSON.stringify(one.value) === JSON.stringify(one.default), on: {click: async () => {
                try { await put(one.default); field.replaceWith(control(one, id, store)); element.replaceWith(row(one)); } catch (error) { tell(error); }
            }}}, icon("reuse"));
        const notes = [range(one), one.kind !== "bool" && one.default !== "" ? t("settings.default", {value: one.default}) : "",
            one.scope === "restart" ? t("settings.restart") : one.editable ? "" : one.scope === "admin" ? t("settings.admin") : t("settings.fixed")].filter(Boolean).join(" \u00b7 ");
        const element = make("div", {class: `setting ${one.kind}`, id: `setting_${one.key}_row`},
            make("div", {class: "about"}, make("label", {for: id, text: word("setting", one.key, one.label)}),
                one.hint ? make("p", {class: "quiet", text: word("hint", one.key, one.hint)}) : null, notes ? make("p", {class: "quiet fine", text: notes}) : null),
            make("div", {class: "value"}, field, reset, said));
        element.dataset.find = [one.key, one.label, one.hint, one.section, word("setting", one.key, "")].join(" ").toLowerCase();
        return element;
    }

    function show() {
        const sections = new Map();
        for (const one of all) sections.set(one.section, [...(sections.get(one.section) || []), one]);
        list.replaceChildren();
        nav.replaceChildren();
        for (const [name, settings] of sections) {
            const block = make("section", {class: "section"}, make("h2", {text: word("section", name, name)}), ...settings.map(row));
            list.append(block);
            nav.append(make("button", {type: "button", text: word("section", name, name), on: {click: () => {
                if (search.value) { search.value = ""; filter(); }
                block.scrollIntoView({behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth"});
            }}}));
        }
        filter();
    }

    /** Tabs whose name has all the words, as buttons above the settings. */
    function showTabs(words) {
        const buttons = Array.from(document.querySelectorAll("#tabs > .tab-nav > button"));
        const wanted = buttons.filter((one) => words.length && words.every((each) => one.textContent.trim().toLowerCase().includes(each)));
        tabs.replaceChildren(...wanted.map((one) => make("button", {type: "button", class: "gallery-button", text: t("settings.open_tab", {name: one.textContent.trim()}),
            on: {click: () => selectTab(one.id.replace("tab_button_", ""))}})));
    }

    function filter() {
        const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
        let found = 0;
        for (const one of list.querySelectorAll(".setting")) {
            one.hidden = !words.every((each) => one.dataset.find.includes(each));
            found += one.hidden ? 0 : 1;
        }
        for (const block of list.querySelectorAll(".section")) block.hidden = !block.querySelector(".setting:not([hidden])");
        showTabs(words);
        result.textContent = words.length ? (found ? t("settings.found", {n: found}) : t("settings.none")) : "";
    }

    async function load() {
        all = await ask("easel/settings");
        for (const one of all) opts[one.key] = one.value;
        executeCallbacks(optionsAvailableCallbacks.splice(0));
        show();
    }

    search.oninput = filter;
    search.addEventListener("keydown", (event) => { if (event.key === "Enter") tabs.querySelector("button")?.click(); });
    document.addEventListener("easel-language", () => { if (all.length) show(); });
    load().catch(tell);
});
