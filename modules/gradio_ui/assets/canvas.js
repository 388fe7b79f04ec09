// Pictures to work on: a place to drop one, and a canvas of its full size to draw on it: brush, eraser, undo, zoom, fill,
// invert, feather preview, saving and loading of masks. The picture and what was drawn are kept by the server; the form holds
// their references in hidden texts.
"use strict";

const MASK_COLOUR = "#2f7bff", UNDO_BYTES = 256 * 2 ** 20, ZOOM = 1.25;
easel.canvases = {};

/** One picture of a form; `data-kind` is plain (no drawing), mask (one colour) or colour. */
class PictureBox {
    constructor(element) {
        this.element = element;
        this.kind = element.dataset.kind;
        this.input = element.querySelector("input[type=file]");
        this.drop = element.querySelector(".drop");
        this.reference = "";
        this.saving = null;
        this.input.onchange = () => { this.takeFile(this.input.files[0]); this.input.value = ""; };
        element.addEventListener("dragover", (event) => { if (event.dataTransfer.types.includes("Files")) { event.preventDefault(); element.classList.add("dropping"); } });
        element.addEventListener("dragleave", () => element.classList.remove("dropping"));
        element.addEventListener("drop", (event) => { element.classList.remove("dropping"); if (event.dataTransfer.files[0]) { event.preventDefault(); this.takeFile(event.dataTransfer.files[0]); } });
        this.drop.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); this.input.click(); } });
        this.image = make("img", {class: "canvas-picture", alt: "", draggable: false});
        this.sheet = make("div", {class: "canvas-sheet"}, this.image);
        this.view = make("div", {class: "canvas-view", tabIndex: 0, role: "group", "data-t-aria": "canvas.view"}, this.sheet);
        this.bar = make("div", {class: "canvas-bar", role: "toolbar", "data-t-aria": "canvas.tools"});
        this.tools();
        this.work = make("div", {class: "canvas-work", hidden: true}, this.bar, this.view);
        element.append(this.work);
        this.stored = box(element.dataset.picture);
        new ResizeObserver(() => this.fit()).observe(this.view);
    }

    button(name, icon, run, more = {}) {
        const made = make("button", {type: "button", class: "tool-like", "data-icon": icon, "data-t-title": `canvas.${name}`, "data-tool": name, on: {click: run}, ...more});
        this.group.append(made);
        return made;
    }

    /** The tools that follow stay together where the bar has two lines. */
    begins(name) {
        this.group = make("div", {class: `canvas-group ${name}`});
        this.bar.append(this.group);
    }

    tools() {
        this.begins("ends");
        this.button("other", "open", () => this.input.click());
        this.button("remove", "clear", () => this.remove());
    }

    get size() { return this.reference ? [this.image.naturalWidth, this.image.naturalHeight] : null; }

    async takeFile(file) {
        if (!file) return;
        try { await this.put((await keepPicture({file})).reference); } catch (error) { tell(error); }
    }

    /** Show a kept picture; nothing that was drawn on another stays. */
    async put(reference, drawn = "") {
        await this.show(reference, drawn);
        setValue(this.stored, reference);
        setTimeout(() => document.dispatchEvent(new CustomEvent("easel-picture", {detail: this})), 0);
    }

    async show(reference, drawn = "") {
        this.image.src = keptUrl(reference);
        try { await this.image.decode(); } catch { setValue(this.stored, ""); return false; } // deleted meanwhile
        this.reference = reference;
        this.drop.hidden = true;
        this.work.hidden = false;
        this.fit();
        return true;
    }

    /** What `put` takes to bring all of it back. */
    get content() { return [this.reference]; }

    async remove() {
        await this.settle().catch(tell); // so that undoing brings back the last stroke too
        if (!this.reference) return; // pressed twice
        const before = this.content;
        this.reference = "";
        this.drop.hidden = false;
        this.work.hidden = true;
        setValue(this.stored, "");
        document.dispatchEvent(new CustomEvent("easel-picture", {detail: this}));
        toast(t("canvas.removed"), {text: t("prompt.undo"), run: () => this.put(...before).catch(tell)});
    }

    /** The picture as it looks, drawn colours and all, as a reference. */
    async flat() { return this.reference; }
    async settle() {}
    async restore() { if (this.stored.value && this.stored.value !== this.reference) await this.show(this.stored.value); }
    fit() {}
}

/** A picture that is drawn on. What is drawn is a canvas of the picture's own size above it. */
class DrawingBox extends PictureBox {
    constructor(element) {
        super(element);
        this.layer = make("canvas", {class: "canvas-layer"});
        this.pen = this.layer.getContext("2d", {willReadFrequently: true});
        this.ring = make("div", {class: "canvas-ring", hidden: true});
        this.sheet.append(this.layer, this.ring);
        this.drawn = box(element.dataset.layer);
        this.undone = [];
        this.done = [];
        this.scale = 0; // of the screen; 0 fits the picture into the view
        this.tool = "brush";
        this.choose("brush");
        this.layer.addEventListener("pointerdown", (event) => this.begin(event));
        this.layer.addEventListener("pointermove", (event) => this.move(event));
        for (const end of ["pointerup", "pointercancel"]) this.layer.addEventListener(end, (event) => this.end(event));
        this.layer.addEventListener("pointerleave", () => { this.ring.hidden = true; });
        this.view.addEventListener("wheel", (event) => { if (event.ctrlKey || event.altKey) { event.preventDefault(); this.zoom(event.deltaY < 0 ? ZOOM : 1 / ZOOM, event); } }, {passive: false});
        this.view.addEventListener("keydown", (event) => this.key(event));
        this.mark();
    }

    tools() {
        this.begins("draw");
        this.brushes = {brush: this.button("brush", "brush", () => this.choose("brush")), eraser: this.button("eraser", "eraser", () => this.choose("eraser")),
            hand: this.button("hand", "hand", () => this.choose("hand"))};
        if (this.kind === "colour") {
            this.colour = make("input", {type: "color", value: "#d9481c", class: "canvas-colour", "data-t-aria": "canvas.colour", "data-t-title": "canvas.colour"});
            this.group.append(this.colour);
        }
        this.width = make("input", {type: "range", min: "1", max: "300", value: "32", class: "canvas-width", "data-t-aria": "canvas.width", "data-t-title": "canvas.width"});
        this.group.append(this.width);
        this.begins("steps");
        this.undoButton = this.button("undo", "undo", () => this.step(this.done, this.undone, "before"));
        this.redoButton = this.button("redo", "redo", () => this.step(this.undone, this.done, "after"));
        this.button("wipe", "wipe", () => this.change(() => this.pen.clearRect(0, 0, this.layer.width, this.layer.height)));
        this.begins("zoom");
        this.button("zoom_out", "minus", () => this.zoom(1 / ZOOM));
        this.button("zoom_in", "plus", () => this.zoom(ZOOM));
        this.button("zoom_fit", "fit", () => { this.scale = 0; this.fit(); });
        super.tools();
        if (this.kind === "mask") {
            this.begins("mask");
            this.button("fill", "fill", () => this.change(() => this.fill()));
            this.button("invert", "invert", () => this.change(() => this.invert()));
            this.feather = this.button("feather", "feather", () => this.preview(), {"aria-pressed": "false"});
            this.button("save_mask", "save", () => this.saveMask());
            this.button("load_mask", "mask", () => this.maskFile.click());
            this.maskFile = make("input", {type: "file", accept: "image/*", hidden: true, "data-t-aria": "canvas.load_mask"});
            this.maskFile.onchange = () => { this.loadMask(this.maskFile.files[0]).catch(tell); this.maskFile.value = ""; };
            this.bar.append(this.maskFile);
        }
    }

    choose(tool) {
        this.tool = tool;
        for (const [name, button] of Object.entries(this.brushes)) button.setAttribute("aria-pressed", String(name === tool));
        this.layer.style.cursor = tool === "hand" ? "grab" : "none";
    }

    async show(reference, drawn = "") {
        if (!await super.show(reference)) return false;
        [this.layer.width, this.layer.height] = this.size;
        this.done = [];
        this.undone = [];
        this.scale = 0;
        if (drawn) await this.showDrawn(drawn);
        else if (this.drawn.value) setValue(this.drawn, "");
        this.fit();
        this.mark();
        return true;
    }

    async showDrawn(reference) {
        const image = new Image();
        image.src = keptUrl(reference);
        try { await image.decode(); } catch { setValue(this.drawn, ""); return; }
        this.pen.drawImage(image, 0, 0, this.layer.width, this.layer.height);
        setValue(this.drawn, reference);
    }

    async restore() { if (this.stored.value && this.stored.value !== this.reference) await this.show(this.stored.value, this.drawn.value); }

    get content() { return [this.reference, this.drawn.value]; }

    async remove() {
        await super.remove();
        setValue(this.drawn, "");
    }

    /** Screen pixels for one of the picture. */
    get shown() {
        if (this.scale) return this.scale;
        const [width, height] = this.size, room = this.view.clientWidth - 2;
        const below = innerHeight - (this.view.getBoundingClientRect().top + scrollY) - 16; // so that none of it needs a scroll
        return room > 0 ? Math.min(room / width, Math.max(280, Math.min(560, below)) / height) : 1;
    }

    fit() {
        if (!this.reference) return;
        const [width, height] = this.size, scale = this.shown;
        this.sheet.style.width = `${width * scale}px`;
        this.sheet.style.height = `${height * scale}px`;
        this.sheet.classList.toggle("magnified", scale >= 3);
        this.soften();
    }

    zoom(by, event) {
        const before = this.shown, box = this.view.getBoundingClientRect();
        const [x, y] = event ? [event.clientX - box.left, event.clientY - box.top] : [box.width / 2, box.height / 2];
        this.scale = Math.min(16, Math.max(0.05, before * by));
        const [left, top] = [(this.view.scrollLeft + x) * this.scale / before - x, (this.view.scrollTop + y) * this.scale / before - y];
        this.fit();
        this.view.scrollTo(left, top);
    }

    /** A pointer's place in pixels of the picture. */
    place(event) {
        const box = this.layer.getBoundingClientRect();
        return [(event.clientX - box.left) * this.layer.width / box.width, (event.clientY - box.top) * this.layer.height / box.height];
    }

    begin(event) {
        if (event.button > 1) return;
        event.preventDefault();
        this.view.focus({preventScroll: true});
        this.layer.setPointerCapture(event.pointerId);
        if (this.tool === "hand" || event.button === 1) { this.held = [event.clientX, event.clientY]; return; }
        this.before = this.copy();
        const [x, y] = this.place(event), width = Number(this.width.value);
        Object.assign(this.pen, {lineWidth: width, lineCap: "round", lineJoin: "round", strokeStyle: this.kind === "mask" ? MASK_COLOUR : this.colour.value,
            globalCompositeOperation: this.tool === "eraser" ? "destination-out" : "source-over"});
        this.last = [x, y];
        this.touched = [x, y, x, y];
        this.line(x, y);
    }

    line(x, y) {
        this.pen.beginPath();
        this.pen.moveTo(...this.last);
        this.pen.lineTo(x, y);
        this.pen.stroke();
        this.last = [x, y];
        const [left, top, right, bottom] = this.touched;
        this.touched = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
    }

    move(event) {
        const [x, y] = this.place(event), size = Number(this.width.value) * this.shown;
        this.ring.hidden = this.tool === "hand";
        Object.assign(this.ring.style, {width: `${size}px`, height: `${size}px`, left: `${x * this.shown - size / 2}px`, top: `${y * this.shown - size / 2}px`});
        if (this.held) {
            this.view.scrollBy(this.held[0] - event.clientX, this.held[1] - event.clientY);
            this.held = [event.clientX, event.clientY];
        } else if (this.last) for (const one of event.getCoalescedEvents?.() || [event]) this.line(...this.place(one));
    }

    end() {
        this.held = null;
        if (!this.last) return;
        this.last = null;
        this.pen.globalCompositeOperation = "source-over";
        const margin = Math.ceil(Number(this.width.value) / 2) + 2, [left, top, right, bottom] = this.touched;
        this.remember(left - margin, top - margin, right + margin, bottom + margin);
    }

    copy() {
        const made = make("canvas");
        [made.width, made.height] = [this.layer.width, this.layer.height];
        const pen = made.getContext("2d", {willReadFrequently: true});
        pen.drawImage(this.layer, 0, 0);
        return pen;
    }

    /** Change the whole layer as one step. */
    change(run) {
        if (!this.reference) return;
        this.before = this.copy();
        run();
        this.remember(0, 0, this.layer.width, this.layer.height);
    }

    /** Keep what a step changed inside a box, so that it can be undone; oldest steps go first. */
    remember(left, top, right, bottom) {
        const x = Math.max(0, Math.floor(left)), y = Math.max(0, Math.floor(top));
        const width = Math.min(this.layer.width, Math.ceil(right)) - x, height = Math.min(this.layer.height, Math.ceil(bottom)) - y;
        if (width > 0 && height > 0) {
            this.done.push({x, y, before: this.before.getImageData(x, y, width, height), after: this.pen.getImageData(x, y, width, height)});
            const weight = () => this.done.reduce((sum, one) => sum + 2 * one.before.data.length, 0);
            while (this.done.length > 1 && weight() > UNDO_BYTES) this.done.shift();
        }
        this.before = null;
        this.undone = [];
        this.changed();
    }

    step(from, to, which) {
        const one = from.pop();
        if (!one) return;
        to.push(one);
        this.pen.putImageData(one[which], one.x, one.y);
        this.changed();
    }

    changed() {
        this.mark();
        this.unsaved = true;
        clearTimeout(this.later);
        this.later = setTimeout(() => this.settle().catch(tell), 400);
    }

    mark() {
        this.undoButton.disabled = !this.done.length;
        this.redoButton.disabled = !this.undone.length;
    }

    key(event) {
        const key = event.key.toLowerCase(), control = event.ctrlKey || event.metaKey;
        if (control && key === "z" && !event.shiftKey) this.undoButton.click();
        else if (control && (key === "y" || key === "z")) this.redoButton.click();
        else if (key === "[" || key === "]") this.width.value = String(Math.max(1, Math.round(Number(this.width.value) * (key === "[" ? 1 / ZOOM : ZOOM) + (key === "]" ? 1 : 0))));
        else return;
        event.preventDefault();
        event.stopPropagation();
    }

    fill() {
        this.pen.fillStyle = MASK_COLOUR;
        this.pen.fillRect(0, 0, this.layer.width, this.layer.height);
    }

    invert() {
        const before = this.copy();
        this.pen.clearRect(0, 0, this.layer.width, this.layer.height);
        this.fill();
        this.pen.globalCompositeOperation = "destination-out";
        this.pen.drawImage(before.canvas, 0, 0);
        this.pen.globalCompositeOperation = "source-over";
    }

    /** Show the mask as it will be blurred, and turned round where what is not masked is painted. */
    preview() {
        const on = this.feather.getAttribute("aria-pressed") !== "true";
        this.feather.setAttribute("aria-pressed", String(on));
        this.soften();
    }

    soften() {
        if (this.kind !== "mask") return;
        const on = this.feather.getAttribute("aria-pressed") === "true", tab = this.element.dataset.picture.split("_")[0];
        this.layer.classList.toggle("feathered", on);
        if (!on) { this.layer.style.filter = this.softened = ""; return; }
        const across = Number(numberOf(`${tab}_mask_blur`)?.value || 0), down = Number(numberOf(`${tab}_mask_blur_y`)?.value ?? -1);
        const turned = document.querySelector(`#${tab}_mask_mode input:checked`)?.value === "not masked", scale = this.shown;
        const mark = [across, down, turned, scale].join();
        if (mark === this.softened) return;
        this.softened = mark;
        const filter = document.getElementById(`${tab}_feather`);
        filter.querySelector("feGaussianBlur").setAttribute("stdDeviation", `${across * scale} ${(down < 0 ? across : down) * scale}`);
        filter.querySelector("feFuncA").setAttribute("tableValues", turned ? "1 0" : "0 1");
        this.layer.style.filter = "none";
        requestAnimationFrame(() => { if (this.layer.classList.contains("feathered")) this.layer.style.filter = `url(#${tab}_feather)`; }); // else the old one stays on the screen
    }

    /** White where it is painted, black elsewhere. */
    maskPicture() {
        const pen = this.copy(), {width, height} = pen.canvas, pixels = pen.getImageData(0, 0, width, height);
        for (let at = 0; at < pixels.data.length; at += 4) {
            pixels.data.fill(pixels.data[at + 3] > 128 ? 255 : 0, at, at + 3);
            pixels.data[at + 3] = 255;
        }
        pen.putImageData(pixels, 0, 0);
        return pen.canvas;
    }

    async saveMask() {
        const link = make("a", {href: URL.createObjectURL(await blobOf(this.maskPicture())), download: "mask.png"});
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    }

    /** A mask from a file: its alpha unless it is wholly opaque, else its brightness. */
    async loadMask(file) {
        if (!file) return;
        const image = await createImageBitmap(file).catch(() => { throw new Error(t("canvas.no_picture")); });
        this.change(() => {
            const {width, height} = this.layer;
            this.pen.clearRect(0, 0, width, height);
            this.pen.drawImage(image, 0, 0, width, height);
            const pixels = this.pen.getImageData(0, 0, width, height), data = pixels.data, colour = [1, 3, 5].map((at) => parseInt(MASK_COLOUR.slice(at, at + 2), 16));
            let opaque = true;
            for (let at = 3; at < data.length && opaque; at += 4) opaque = data[at] === 255;
            for (let at = 0; at < data.length; at += 4) {
                const masked = opaque ? data[at] * 0.299 + data[at + 1] * 0.587 + data[at + 2] * 0.114 > 128 : data[at + 3] > 128;
                [data[at], data[at + 1], data[at + 2]] = colour;
                data[at + 3] = masked ? 255 : 0;
            }
            this.pen.putImageData(pixels, 0, 0);
        });
    }

    /** Hand what was drawn to the server, and wait until it is there. */
    async settle() {
        while (this.saving) await this.saving;
        if (!this.unsaved || !this.reference) return;
        this.unsaved = false;
        const {reference, done} = this; // another picture has another list of steps, even if it is the same again
        this.saving = (async () => {
            const empty = !this.copyHasInk();
            const kept = empty ? {reference: ""} : await keepPicture({file: new File([await blobOf(this.layer)], "drawn.png")});
            if (this.reference === reference && this.done === done) setValue(this.drawn, kept.reference);
        })();
        try { await this.saving; } catch (error) { this.unsaved = true; throw error; } finally { this.saving = null; }
    }

    copyHasInk() {
        const data = new Uint32Array(this.pen.getImageData(0, 0, this.layer.width, this.layer.height).data.buffer);
        return data.some((one) => one !== 0);
    }

    async flat() {
        if (this.kind !== "colour" || !this.copyHasInk()) return this.reference;
        const made = make("canvas"), pen = made.getContext("2d");
        [made.width, made.height] = this.size;
        pen.drawImage(this.image, 0, 0);
        pen.drawImage(this.layer, 0, 0);
        return (await keepPicture({file: new File([await blobOf(made)], "sketch.png")})).reference;
    }
}

function blobOf(canvas) {
    return new Promise((done, failed) => canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error(t("canvas.too_large")))), "image/png"));
}

onUiLoaded(() => {
    for (const element of document.querySelectorAll(".easel-canvas")) {
        easel.canvases[element.id] = element.dataset.kind === "plain" ? new PictureBox(element) : new DrawingBox(element);
    }
    drawIcons();
    applyWords();
});
