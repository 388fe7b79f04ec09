// The extra-networks browser: cards of embeddings, checkpoints and LoRA under the prompt, found, used and described.
"use strict";

easel.cardPages = ["textual_inversion", "checkpoints", "lora"]; // A1111's order and names
easel.cardLists = {}; // page -> {html, folders, count}, the same in every tab
const CARD_SORTS = ["path", "name", "date_created", "date_modified"];

const cardAddress = (path, page, item, more = {}) => `${path}?${new URLSearchParams({page, item, ...more})}`;
const escapedWords = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Where `text` stands in a prompt as words of its own; a network whatever its weight. Null where it does not. */
function findInPrompt(prompt, text) {
    const network = text.match(/^<(\w+:[^:>]+)(?::[^>]*)?>/);
    const pattern = network ? `<${escapedWords(network[1])}(?::[^>]*)?>(?:\\s*${escapedWords(text.slice(network[0].length).trim())})?`
        : `(?<![\\p{L}\\p{N}_])${escapedWords(text)}(?![\\p{L}\\p{N}_])`;
    return prompt.match(new RegExp(pattern, "iu"));
}

/** Put a text into a prompt box, or take it out where it is. */
function updatePromptArea(text, area) {
    const found = findInPrompt(area.value, text), gap = opts.extra_networks_add_text_separator ?? " ";
    if (!found) { setValue(area, area.value ? area.value.replace(/\s+$/, "") + gap + text : text); return; }
    const before = area.value.slice(0, found.index).replace(/[ ,]+$/, ""), after = area.value.slice(found.index + found[0].length).replace(/^[ ,]+/, "");
    setValue(area, before && after ? `${before}${/,\s*$/.test(area.value.slice(0, found.index)) ? ", " : " "}${after}` : before + after);
}

/** What a press on a card does to the prompts of a tab; a text for the negative prompt goes with it. */
function cardClicked(tab, text, negative = "", allowNegative = false) {
    updatePromptArea(text, allowNegative && !negative && activePromptTextarea[tab] || box(`${tab}_prompt`));
    if (negative) updatePromptArea(negative, box(`${tab}_neg_prompt`));
}

function loraText(data) {
    const weight = data.weight || opts.extra_networks_default_multiplier || 1;
    return `<lora:${data.insert}:${weight}>${data.activation ? ` ${data.activation}` : ""}`;
}

function useCard(tab, card) {
    const {page, insert, activation, negative, broken} = card.dataset;
    if (broken) { toast(broken); return; }
    if (page === "checkpoints") selectCheckpoint(insert).then(() => showModels(false));
    else if (page === "lora") cardClicked(tab, loraText(card.dataset), negative, false);
    else cardClicked(tab, activation ? `${insert} ${activation}` : insert, negative, true);
}

/** Words that a LoRA listens to, each put into the prompt by a press. */
function wordChips(tab, words) {
    const prompt = box(`${tab}_prompt`), there = (word) => !!findInPrompt(prompt.value, word);
    return make("div", {class: "chips word-chips", role: "group", "aria-label": t("cards.words")}, ...words.map((word) => make("button", {
        type: "button", class: "chip", text: word, "aria-pressed": String(there(word)),
        on: {click: (event) => { updatePromptArea(word, prompt); event.target.setAttribute("aria-pressed", String(there(word))); }},
    })));
}

/** One tab's browser. `easel.browsers.txt2img.show("lora")`; "" shows the controls again. */
class CardBrowser {
    constructor(tab) {
        this.tab = tab;
        this.root = document.getElementById(`${tab}_extra_tabs`);
        this.page = "";
        this.panes = {};
        this.controls = this.root.closest(".controls");
        this.nav = make("div", {class: "tab-nav", role: "group", "data-t-aria": "cards.pages"},
            ...["", ...easel.cardPages].map((page) => make("button", {type: "button", "data-page": page, "data-t": `cards.page.${page || "generation"}`, on: {click: () => this.show(page)}})));
        this.root.replaceChildren(this.nav);
        this.show("");
        for (const id of [`${tab}_prompt`, `${tab}_neg_prompt`]) box(id).addEventListener("input", () => { clearTimeout(this.later); this.later = setTimeout(() => this.mark(), 200); });
        document.addEventListener("easel-status", () => { const now = easel.status.model.title; if (now !== this.model) { this.model = now; this.filter(); } });
    }

    get pane() { return this.panes[this.page]; }

    show(page) {
        this.page = page;
        for (const one of this.nav.children) {
            one.classList.toggle("selected", one.dataset.page === page);
            one.setAttribute("aria-pressed", String(one.dataset.page === page));
        }
        this.controls.classList.toggle("browsing", !!page);
        if (page && !this.panes[page]) this.build(page);
        for (const [name, pane] of Object.entries(this.panes)) pane.root.hidden = name !== page;
        if (page) { this.fill(page).catch(tell); }
    }

    /** A pane's tools and its empty list. Ids are A1111's. */
    build(page) {
        const id = `${this.tab}_${page}`, pane = {folder: "", drawn: null, all: !!opts.lora_show_all};
        const wish = (opts.extra_networks_card_order_field || "Path").toLowerCase().replace(" ", "_");
        pane.search = make("input", {type: "search", id: `${id}_extra_search`, class: "extra-network-search", "data-t-placeholder": "cards.search", "data-t-aria": "cards.search", on: {input: () => this.filter()}});
        pane.sort = make("select", {id: `${id}_extra_sort`, "data-t-aria": "cards.sort", on: {change: () => this.sort()}},
            ...CARD_SORTS.map((one) => make("option", {value: one, "data-t": `cards.sort.${one}`, selected: one === wish})));
        pane.down = opts.extra_networks_card_order === "Descending";
        pane.turn = make("button", {type: "button", id: `${id}_extra_sort_dir`, class: "tool-like", "data-icon": pane.down ? "down" : "up", "data-t-title": "cards.turn", on: {click: () => this.turn()}});
        const refresh = make("button", {type: "button", id: `${id}_extra_refresh`, class: "tool-like", "data-icon": "refresh", "data-t-title": "cards.refresh", on: {click: () => refreshCards(page).catch(tell)}});
        pane.every = make("button", {type: "button", class: "chip", "data-t": "cards.all", "data-t-title": "cards.all_hint", "aria-pressed": String(pane.all), hidden: page === "checkpoints",
            on: {click: () => { pane.all = !pane.all; pane.every.setAttribute("aria-pressed", String(pane.all)); this.filter(); }}});
        pane.folders = make("div", {id: `${id}_dirs`, class: "chips extra-network-dirs", role: "group", "data-t-aria": "cards.folders"});
        pane.cards = make("div", {id: `${id}_cards`, class: "extra-network-cards"});
        pane.note = make("p", {class: "quiet cards-note", role: "status"});
        if (opts.extra_networks_card_width) pane.cards.style.setProperty("--card", `${opts.extra_networks_card_width}px`);
        pane.cards.classList.toggle("plain", opts.extra_networks_card_show_desc === false);
        pane.cards.addEventListener("click", (event) => this.pressed(event));
        pane.root = make("div", {id: `${id}_pane`, class: "extra-network-pane"},
            make("div", {class: "extra-network-control"}, pane.search, pane.sort, pane.turn, refresh, pane.every), pane.folders, pane.note, pane.cards);
        this.panes[page] = pane;
        this.root.append(pane.root);
        applyWords(pane.root);
    }

    /** Draw the list, which is fetched when it is first looked at. */
    async fill(page, fresh) {
        const pane = this.panes[page];
        if (!easel.cardLists[page]) pane.note.textContent = t("cards.loading");
        const list = await (easel.cardLists[page] ??= ask(cardAddress("easel/cards", page, "")).catch((error) => { delete easel.cardLists[page]; throw error; }));
        if (pane.drawn === list && !fresh) { this.filter(); return; }
        pane.drawn = list;
        pane.cards.innerHTML = list.html; // escaped by the route
        if (!list.folders.includes(pane.folder)) pane.folder = "";
        pane.folders.replaceChildren(...list.folders.length ? ["", ...list.folders].map((one) => make("button", {type: "button", class: "chip", text: one || t("cards.folder.all"), "data-folder": one,
            on: {click: () => { pane.folder = one; this.filter(); }}})) : []);
        this.sort();
        this.filter();
        applyWords(pane.cards);
        drawIcons();
    }

    list(pane) { return Array.from(pane.cards.children); }

    sort() {
        const pane = this.pane, key = `sort-${pane.sort.value}`, way = pane.down ? -1 : 1;
        const value = (card) => card.getAttribute(`data-${key}`);
        pane.cards.append(...this.list(pane).sort((a, b) => way * (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0)));
    }

    turn() {
        const pane = this.pane;
        pane.down = !pane.down;
        pane.turn.replaceChildren(icon(pane.down ? "down" : "up"));
        this.sort();
    }

    /** Show what is searched for, in the chosen folder, for the chosen model's family. */
    filter() {
        const pane = this.pane;
        if (!pane) return;
        const words = pane.search.value.toLowerCase().split(/\s+/).filter(Boolean), family = (easel.status?.model.family || "").split("_")[0];
        let shown = 0, others = 0;
        const cards = this.list(pane);
        for (const card of cards) {
            const data = card.dataset, text = card.querySelector(".card-main").textContent.toLowerCase();
            const fits = words.every((one) => text.includes(one)) && (!pane.folder || data.folder === pane.folder || data.folder.startsWith(`${pane.folder}/`));
            const other = this.page !== "checkpoints" && !pane.all && !!family && !!data.family && data.family.split("_")[0] !== family;
            card.hidden = !fits || other;
            if (!card.hidden) shown++; else if (fits) others++;
        }
        for (const one of pane.folders.children) one.setAttribute("aria-pressed", String(one.dataset.folder === pane.folder));
        pane.note.textContent = !cards.length ? t(`cards.none.${this.page}`) : others ? t("cards.others", {shown, others}) : shown ? "" : t("cards.nothing");
        this.mark();
    }

    /** Mark what the prompts hold already, and the chosen checkpoint. */
    mark() {
        if (!this.pane) return;
        const prompts = `${box(`${this.tab}_prompt`).value}\n${box(`${this.tab}_neg_prompt`).value}`.toLowerCase();
        const used = new Set(Array.from(prompts.matchAll(/<lora:([^:>]+)/g), (one) => one[1]));
        for (const card of this.list(this.pane)) {
            const name = card.dataset.insert.toLowerCase();
            const on = this.page === "lora" ? used.has(name) : this.page === "checkpoints" ? card.dataset.insert === easel.status?.model.title : prompts.includes(name) && !!findInPrompt(prompts, name);
            card.classList.toggle("used", on);
            card.querySelector(".card-main").setAttribute("aria-pressed", String(on));
        }
    }

    pressed(event) {
        const card = event.target.closest(".card"), button = event.target.closest("[data-card]");
        if (!card) return;
        if (button?.dataset.card === "words") showCardWords(this.tab, card.dataset).catch(tell);
        else if (button) extraNetworksEditUserMetadata(event, this.tab, card.dataset.page, card.dataset.key);
        else { useCard(this.tab, card); this.mark(); }
    }
}

/** Look for new files; the lists of all tabs are drawn again. */
async function refreshCards(page) {
    easel.cardLists[page] = await ask(cardAddress("easel/cards", page, "", {refresh: 1}));
    for (const one of Object.values(easel.browsers)) if (one.panes[page]) await one.fill(page);
}

/** Put a changed card in the place of the old one, in every tab. */
function replaceCard(page, key, html) {
    for (const browser of Object.values(easel.browsers)) {
        const old = browser.panes[page]?.cards.querySelector(`.card[data-key="${CSS.escape(key)}"]`);
        if (!old) continue;
        old.insertAdjacentHTML("afterend", html); // escaped by the route
        applyWords(old.nextElementSibling);
        old.remove();
        if (browser.page === page) browser.filter();
    }
    drawIcons();
    delete easel.cardLists[page];
}

async function showCardWords(tab, data) {
    const found = await ask(cardAddress("easel/cards/one", data.page, data.key));
    popup(t("cards.words_of", {name: found.name}), wordChips(tab, found.words));
}

/** What is known of a file, and what a person notes about it. */
async function showCard(tab, page, key) {
    const found = await ask(cardAddress("easel/cards/one", page, key)), inputs = {};
    const field = (name, control) => { inputs[name] = control; return make("label", {class: "card-field"}, make("span", {text: t(`cards.note.${name}`)}), control); };
    const area = (name, rows) => { const control = make("textarea", {rows}); control.value = found.notes[name]; return field(name, control); };
    const weight = make("input", {type: "number", step: "0.05", min: "-10", max: "10"}), version = make("select", {},
        ...["", "SD1", "SD2", "SDXL", "Unknown"].map((one) => make("option", {value: one, text: one || t("cards.version.own"), selected: one === found.notes.sd_version})));
    weight.value = found.notes.preferred_weight;
    const prompts = page === "checkpoints" ? [] : [area("activation_text", 2), area("negative_text", 2), field("preferred_weight", weight), field("sd_version", version)];
    const facts = make("dl", {class: "card-facts"}, ...Object.entries(found.facts).flatMap(([name, value]) => [make("dt", {text: t(`cards.fact.${name}`)}), make("dd", {text: value})]));
    const changed = (made) => replaceCard(page, found.key, made.html);
    const notes = () => Object.fromEntries(Object.entries({...found.notes, ...Object.fromEntries(Object.entries(inputs).map(([name, one]) => [name, one === weight ? Number(one.value || 0) : one.value]))}));
    const keep = make("button", {type: "button", text: t("cards.save"), on: {click: async () => {
        try { changed(await ask(cardAddress("easel/cards/notes", page, found.key), {notes: notes()})); closePopup(); toast(t("cards.saved")); } catch (error) { tell(error); }
    }}});
    const preview = make("button", {type: "button", text: t("cards.preview"), on: {click: () => saveCardPreview(null, tab, page, found.key)}});
    const text = JSON.stringify(found.metadata, null, 2);
    const raw = text === "{}" ? null : make("details", {class: "raw"}, make("summary", {text: t("cards.metadata")}), make("pre", {text}));
    return popup(found.name, found.broken ? make("p", {class: "foreign", text: found.broken}) : null, facts,
        page === "lora" && found.words.length ? make("div", {class: "card-words"}, make("span", {class: "quiet", text: t("cards.words")}), wordChips(tab, found.words)) : null,
        make("div", {class: "form card-form"}, area("description", 3), ...prompts, area("notes", 3)), raw,
        make("div", {class: "dialog-actions"}, preview, keep));
}

/** The picture that the tab's gallery shows becomes the card's. */
async function saveCardPreview(event, tab, page, key) {
    event?.stopPropagation?.();
    const gallery = easel.galleries[tab];
    if (!gallery.picture) { toast(t("cards.no_picture")); return; }
    try {
        const made = await ask(cardAddress("easel/cards/preview", page, key), {job: gallery.job.id, index: gallery.index});
        replaceCard(page, key, made.html);
        toast(t("cards.preview_saved"));
    } catch (error) { tell(error); }
}

// Names that users' scripts know.
function extraNetworksEditUserMetadata(event, tab, page, name) { event?.stopPropagation?.(); return showCard(tab, page, name).catch(tell); }
function extraNetworksRequestMetadata(event, page, name) { event?.stopPropagation?.(); return ask(cardAddress("sd_extra_networks/metadata", page, name)).then((found) => extraNetworksShowMetadata(found.metadata)).catch(tell); }
function extraNetworksShowMetadata(text) { return popup(t("cards.metadata"), make("div", {class: "paper-list"}, make("pre", {text}))); }
function extraNetworksRefreshSingleCard(page, tab, name) { return ask(cardAddress("sd_extra_networks/get-single-card", page, name)).then((found) => { const card = new DOMParser().parseFromString(found.html, "text/html").querySelector(".card"); if (card) replaceCard(card.dataset.page, card.dataset.key, found.html); }).catch(tell); }
function extraNetworksSearchButton(tab, page, event) { const pane = easel.browsers[tab].panes[page]; pane.folder = event.target.textContent.trim(); easel.browsers[tab].filter(); }
function extraNetworksTabSelected(tab, id, showsPrompt, showsNegative, page) { easel.browsers[tab].show(page || ""); }
function setupExtraNetworksForTab(tab) { easel.browsers[tab] ??= new CardBrowser(tab); }

onUiLoaded(() => {
    easel.browsers = {};
    for (const tab of easel.forms) setupExtraNetworksForTab(tab);
    for (const browser of Object.values(easel.browsers)) applyWords(browser.root);
});
