// Regions with prompts of their own: drawn on a sheet of the picture's shape, or typed; kept as JSON in a hidden text.
"use strict";

const regionSides = ["left", "top", "right", "bottom"], SMALLEST_REGION = 0.02;

class Regions {
    constructor(tab) {
        this.tab = tab;
        this.stored = box(`${tab}_regions_kept`);
        this.root = document.getElementById(`${tab}_regions`);
        this.sheet = this.root.querySelector(".regions-sheet");
        this.list = this.root.querySelector(".regions-list");
        this.all = [];
        this.seen = "";
        this.root.querySelector(".regions-add").onclick = () => this.add({left: 0, top: 0, right: 0.5, bottom: 1});
        this.sheet.addEventListener("pointerdown", (event) => this.begin(event));
        this.sheet.addEventListener("pointermove", (event) => { if (this.from) this.stretch(event); });
        for (const end of ["pointerup", "pointercancel"]) this.sheet.addEventListener(end, () => this.end());
        document.addEventListener("easel-language", () => this.show());
        setInterval(() => this.follow(), 400);
    }

    /** The form was restored or filled, or the picture has another shape. */
    follow() {
        const [width, height] = ["width", "height"].map((name) => Number(numberOf(`${this.tab}_${name}`)?.value || 0));
        if (width > 0 && height > 0) Object.assign(this.sheet.style, {aspectRatio: `${width} / ${height}`, width: `min(100%, ${Math.round(220 * width / height)}px)`});
        if (this.stored.value === this.seen) return;
        this.seen = this.stored.value;
        try { this.all = JSON.parse(this.seen || "[]"); } catch { this.all = []; }
        this.show();
    }

    keep() {
        this.seen = this.all.length ? JSON.stringify(this.all) : "";
        setValue(this.stored, this.seen);
        this.draw();
    }

    add(rectangle) {
        this.all.push({...rectangle, prompt: "", weight: 1});
        this.keep();
        this.show();
        this.list.lastElementChild.querySelector("input").focus();
    }

    place(event) {
        const seen = this.sheet.getBoundingClientRect(), share = (value) => Math.round(Math.min(1, Math.max(0, value)) * 100) / 100;
        return [share((event.clientX - seen.left) / seen.width), share((event.clientY - seen.top) / seen.height)];
    }

    begin(event) {
        event.preventDefault();
        this.sheet.setPointerCapture(event.pointerId);
        this.from = this.place(event);
        this.ghost = make("div", {class: "region ghost"});
        this.sheet.append(this.ghost);
        this.stretch(event);
    }

    stretch(event) {
        const [x, y] = this.place(event), [fromX, fromY] = this.from;
        this.drawn = {left: Math.min(x, fromX), top: Math.min(y, fromY), right: Math.max(x, fromX), bottom: Math.max(y, fromY)};
        this.lay(this.ghost, this.drawn);
    }

    end() {
        this.ghost?.remove();
        const {from, drawn} = this;
        this.from = this.ghost = this.drawn = null;
        if (from && drawn && drawn.right - drawn.left >= SMALLEST_REGION && drawn.bottom - drawn.top >= SMALLEST_REGION) this.add(drawn);
    }

    lay(element, one) {
        Object.assign(element.style, {left: `${one.left * 100}%`, top: `${one.top * 100}%`, width: `${(one.right - one.left) * 100}%`, height: `${(one.bottom - one.top) * 100}%`});
    }

    draw() {
        this.sheet.replaceChildren(...this.all.map((one, index) => {
            const made = make("div", {class: "region"}, make("span", {text: String(index + 1)}));
            this.lay(made, one);
            return made;
        }));
    }

    show() {
        this.draw();
        this.list.replaceChildren(...this.all.map((one, index) => this.row(one, index)));
    }

    row(one, index) {
        const n = index + 1;
        const number = (name, words, factor, more) => make("label", {}, make("span", {text: words}), make("input", {type: "number", value: String(Math.round(one[name] * factor * 100) / 100), ...more,
            on: {change: (event) => { const value = Number(event.target.value) / factor; if (Number.isFinite(value)) { one[name] = value; this.keep(); } }}}));
        return make("li", {},
            make("input", {type: "text", value: one.prompt, placeholder: t("regions.prompt", {n}), "aria-label": t("regions.prompt", {n}), on: {change: (event) => { one.prompt = event.target.value; this.keep(); }}}),
            ...regionSides.map((side) => number(side, t(`regions.${side}`), 100, {min: "0", max: "100", step: "1"})),
            number("weight", t("regions.weight"), 1, {min: "0", max: "1", step: "0.05"}),
            make("button", {type: "button", class: "tool-like", title: t("regions.remove", {n}), "aria-label": t("regions.remove", {n}), on: {click: () => { this.all.splice(index, 1); this.keep(); this.show(); }}}, icon("clear")));
    }
}

onUiLoaded(() => { for (const tab of easel.forms) new Regions(tab); });
