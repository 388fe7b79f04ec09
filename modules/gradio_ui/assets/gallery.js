// The stage, the thumbnails, and the selected picture's paper as chips.
"use strict";

/** Where a job's picture is. It is named too: at the end grids come first, and the browser has kept the old order. */
function pictureUrl(job, index, action = "") {
    return `easel/jobs/${job.id}/pictures/${index}${action}?v=${encodeURIComponent(job.pictures[index]?.name || "")}`;
}

/** One per tab: shows a job. `easel.galleries.txt2img.show(job)`. */
class Gallery {
    constructor(tab) {
        this.tab = tab;
        this.panel = document.getElementById(`${tab}_results_panel`);
        this.stage = this.panel.querySelector(".stage-body");
        this.thumbs = document.getElementById(`${tab}_gallery`);
        this.job = null;
        this.index = -1;
        this.face = "";
        for (const button of this.panel.querySelectorAll("[data-gallery]")) button.onclick = () => this.act(button.dataset.gallery);
        document.getElementById(`${tab}_send_to_extras`).hidden = !document.getElementById("tab_button_extras");
    }

    get pictures() { return this.job?.pictures || []; }
    get names() { return this.pictures.map((one) => one.name).join("/"); }
    get picture() { return this.pictures[this.index] || null; }
    url(index, action = "") { return pictureUrl(this.job, index, action); }

    /** Put one face on the stage; the same face is not drawn twice. */
    draw(face, ...children) {
        if (this.face === face) return false;
        this.face = face;
        this.stage.replaceChildren(...children);
        return true;
    }

    show(job) {
        const fresh = this.job?.id !== job.id, before = this.names;
        this.job = job;
        if (fresh) { this.index = -1; this.face = ""; this.clearPaper(); }
        if (this.names !== before || fresh) this.drawThumbs();
        const over = !["queued", "running"].includes(job.state);
        if (over && job.pictures.length) { if (this.index < 0 || fresh || this.live) this.select(0); }
        this.live = !over;
        if (over && !job.pictures.length) this.showEnd();
        if (!over) this.showLive();
        for (const button of this.panel.querySelectorAll("[data-gallery]")) button.disabled = !this.pictures.length;
    }

    showLive() {
        const job = this.job;
        if (job.preview) {
            const image = this.stage.querySelector("img.preview");
            const source = `easel/jobs/${job.id}/preview?v=${encodeURIComponent(job.preview)}`;
            if (this.face === "preview" && image) { if (image.dataset.source !== source) this.swap(image, source); }
            else {
                this.draw("preview", make("img", {class: "preview", alt: t("job.progress"), src: source, "data-source": source}));
                if (job.shape) Object.assign(this.stage.firstElementChild.style, {width: `${job.shape.width}px`, aspectRatio: `${job.shape.width} / ${job.shape.height}`});
            }
        } else if (job.state === "queued") {
            this.draw(`queued-${job.place}-${Math.round(job.starts_in_s ?? -1)}`, this.note(waitingWords(job)));
        } else if (!this.stage.querySelector("img.preview")) {
            this.draw("starting", this.note(t(`job.stage.${job.progress?.stage || "load"}`)));
        }
    }

    /** The next preview takes the old one's place only when it is here: no flicker. */
    swap(image, source) {
        image.dataset.source = source;
        const next = new Image();
        next.onload = () => { image.src = next.src; };
        next.src = source;
    }

    note(words) { return make("div", {class: "note"}, make("p", {text: words})); }

    showEnd() {
        const job = this.job;
        this.clearPaper();
        if (job.state !== "failed") { this.draw(`end-${job.id}`, this.note(t(`stage.${job.state}` in easel.words.en ? `stage.${job.state}` : "stage.none"))); return; }
        const error = job.error || {message: "", hint: "", details: ""};
        this.draw(`failed-${job.id}`, failure(error, () => jobAction(job.id, "retry").then((made) => watchJob(this.tab, made.id))));
    }

    /** Before the first job: example prompts, and what the model is doing. */
    showEmpty(status) {
        if (this.job) return;
        const engine = status.engine, children = [];
        if (engine.state === "loading") {
            children.push(make("p", {class: "lead", text: t("stage.loading", {model: engine.model || "..."})}),
                make("p", {class: "quiet", text: [engine.detail, engine.bytes ? formatBytes(engine.bytes) : "", formatTime(Math.round(engine.seconds))].filter(Boolean).join(" \u00b7 ")}),
                make("p", {class: "quiet", text: t("stage.loading_ok")}));
        } else if (engine.state === "failed") {
            children.push(make("p", {class: "lead", text: t("engine.failed")}), make("p", {class: "quiet", text: engine.detail}));
        } else children.push(make("p", {class: "lead", text: t("stage.empty")}));
        const own = status.model.examples, examples = own.length ? own : ["a red apple on a wooden table", "a lighthouse on a cliff at sunset", "a cat asleep in a sunny window"];
        const list = make("div", {class: "examples"}, make("p", {class: "quiet", text: t("stage.try")}));
        for (const one of examples) list.append(make("button", {type: "button", text: one, on: {click: () => {
            setValue(box(`${this.tab}_prompt`), one);
            setTimeout(() => document.getElementById(`${this.tab}_generate`).click(), 120);
        }}}));
        this.draw(`empty-${engine.state}-${engine.detail}-${Math.round(engine.seconds)}-${easel.pick()}`, make("div", {class: "note"}, ...children, list));
    }

    drawThumbs() {
        this.thumbs.hidden = this.pictures.length < 2;
        this.thumbs.replaceChildren(...this.pictures.map((one, index) => make("button", {
            type: "button", class: "thumbnail-item", role: "option", "aria-selected": String(index === this.index),
            "aria-label": one.kind === "grid" ? t("gallery.grid") : t("gallery.picture", {n: index + 1}), on: {click: () => this.select(index)},
        }, make("img", {src: this.url(index), alt: "", loading: "lazy"}))));
    }

    select(index) {
        if (!this.pictures.length) return;
        this.index = (index + this.pictures.length) % this.pictures.length;
        const one = this.picture;
        const image = make("img", {class: "picture", src: this.url(this.index), alt: this.job.prompt || one.name, width: one.width, height: one.height});
        this.draw(`picture-${this.job.id}-${this.index}`, make("a", {href: this.url(this.index), target: "_blank", rel: "noopener", title: t("gallery.open")}, image));
        for (const [at, thumb] of Array.from(this.thumbs.children).entries()) {
            thumb.setAttribute("aria-selected", String(at === this.index));
            thumb.classList.toggle("selected", at === this.index);
        }
        this.showPaper(one.infotext);
    }

    clearPaper() {
        document.getElementById(`html_info_${this.tab}`).replaceChildren();
        document.getElementById(`generation_info_${this.tab}`).textContent = "";
        this.panel.querySelector("details.raw").hidden = true;
    }

    async showPaper(infotext) {
        document.getElementById(`generation_info_${this.tab}`).textContent = infotext;
        this.panel.querySelector("details.raw").hidden = !infotext;
        const found = await ask("easel/parse", {infotext}).catch(() => ({fields: {}}));
        if (this.picture?.infotext === infotext) document.getElementById(`html_info_${this.tab}`).replaceChildren(...paperChips(found.fields));
    }

    async act(action) {
        if (!this.picture) return;
        if (action === "open") window.open(this.url(this.index), "_blank", "noopener");
        if (action === "zip") location.href = `easel/jobs/${this.job.id}/zip`;
        if (["img2img", "inpaint", "extras"].includes(action)) {
            const url = this.url(this.index), found = await ask("easel/parse", {infotext: this.picture.infotext}).catch(() => ({fields: {}}));
            easelSend(action, {url, fields: found.fields});
        }
        if (action === "upscale") upscalePicture(this).catch(tell);
        if (action === "reuse") pasteInfotext(this.picture.infotext, this.tab).catch(tell);
        if (action === "save") {
            const done = await ask(this.url(this.index, "/save"), {}).catch(tell);
            if (done) document.getElementById(`html_log_${this.tab}`).textContent = t("gallery.saved", {name: done.saved});
        }
    }
}

/** The clipboard's own door is open on https and on this machine only; elsewhere a selected box is copied. */
async function copyText(text) {
    if (navigator.clipboard) {
        try { await navigator.clipboard.writeText(text); return true; } catch { /* the older way below */ }
    }
    const area = make("textarea", {class: "sr", "aria-hidden": "true"});
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
}

function errorDetails(error) {
    return [error.message, error.hint, error.stage && `stage: ${error.stage}`, error.details].filter(Boolean).join("\n");
}

/** What happened, what to do, and the details to copy. */
function failure(error, retry) {
    const details = errorDetails(error);
    const copy = make("button", {type: "button", text: t("stage.copy"), on: {click: async () => {
        copy.textContent = t(await copyText(details) ? "stage.copied" : "stage.not_copied");
    }}});
    const actions = make("div", {class: "dialog-actions"}, copy);
    if (retry) actions.append(make("button", {type: "button", text: t("stage.retry"), on: {click: retry}}));
    return make("div", {class: "note failed", role: "alert"}, make("p", {class: "lead", text: t("stage.failed")}),
        make("p", {text: error.message}), error.hint ? make("p", {class: "quiet", text: error.hint}) : null, actions);
}

/** Chips of a parsed infotext; a press reuses that value alone. */
function paperChips(fields) {
    const chips = [];
    for (const [name, value] of Object.entries(fields)) {
        if (!value || name === "Version") continue;
        const pair = name.match(/^(.*)-([12])$/);
        if (`${name}-1` in fields) continue; // told once, as two sides
        if (pair && pair[2] === "2") continue;
        const shown = pair ? pair[1] : name, other = pair ? fields[`${pair[1]}-2`] : null;
        const words = other ? `${value}\u00d7${other}` : value;
        const wish = other ? {[name]: value, [`${pair[1]}-2`]: other} : {[name]: value};
        if (name === "Refiner switch at" && fields.Refiner) wish.Refiner = fields.Refiner; // it means nothing without
        const long = name === "Prompt" || name === "Negative prompt";
        chips.push(make("button", {type: "button", class: long ? "paper-chip long" : "paper-chip", title: t("gallery.reuse_value", {name: shown}), on: {click: () => {
            fillForm({fields: wish, whole: false});
            toast(t("gallery.reused", {name: shown}));
        }}}, make("b", {text: long && name === "Prompt" ? "" : shown}), make("span", {text: words})));
    }
    return chips;
}

function all_gallery_buttons() { return Array.from(document.querySelectorAll(".thumbs > .thumbnail-item")).filter(uiElementIsVisible); }
function selected_gallery_index() { return easel.galleries?.[easel.form]?.index ?? -1; }
function selected_gallery_button() { return all_gallery_buttons()[selected_gallery_index()] || null; }

onUiLoaded(() => {
    easel.galleries = Object.fromEntries(easel.forms.map((tab) => [tab, new Gallery(tab)]));
    easel.lastInfotext = (tab = easel.form) => easel.galleries[tab].picture?.infotext || "";
    for (const tab of easel.forms) {
        const seed = (id, name) => () => {
            const found = easel.lastInfotext(tab).match(new RegExp(`(?:^|[,\\n] ?)${name}: (\\d+)`));
            setValue(numberOf(id), found ? found[1] : "-1");
        };
        document.getElementById(`${tab}_reuse_seed`).onclick = seed(`${tab}_seed`, "Seed");
        document.getElementById(`${tab}_reuse_subseed`).onclick = seed(`${tab}_subseed`, "Variation seed");
        document.addEventListener("easel-status", (event) => easel.galleries[tab].showEmpty(event.detail));
    }
});
