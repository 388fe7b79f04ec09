// Extras: its choices, its accordions, and what was done to each result.
"use strict";

/** Results with what was done to them before what their file says. */
class ExtrasGallery extends Gallery {
    act(action) {
        if (action !== "reuse") return super.act(action);
        if (this.picture) pasteInfotext(this.picture.infotext, easel.form).then(() => selectTab(easel.form)).catch(tell);
        return undefined;
    }

    async showPaper(infotext) {
        const shown = this.picture;
        await super.showPaper(infotext);
        const done = this.job?.result?.extras?.[this.index];
        if (this.picture !== shown || !done) return;
        document.getElementById(`html_info_${this.tab}`).prepend(...Object.entries(done).map(([name, value]) => make("span", {class: "paper-chip told"},
            make("b", {text: name}), make("span", {text: value}))));
    }

    showEmpty() { if (!this.job) this.draw(`empty-${easel.pick()}`, this.note(t("extras.empty"))); }
}

/** An accordion that changes the result has a mark. */
function markExtras() {
    for (const one of document.querySelectorAll("#extras_accordions .input-accordion")) {
        if (one.classList.contains("switched")) continue;
        const ticked = one.querySelector("input[type=checkbox]:checked"), visible = one.querySelector("[id$=_visibility] input[type=number]");
        one.classList.toggle("on", !!ticked || Number(visible?.value || 0) > 0);
    }
}

onUiLoaded(() => {
    const gallery = easel.galleries.extras = new ExtrasGallery("extras");
    startPanels("mode_extras", "extras_mode_kept", "single");
    startPanels("extras_resize_mode", "extras_size_mode_kept", "by");
    startPile("extras_image_batch", "extras_batch_list", "extras_batch_kept");
    startWatching("extras");
    gallery.showEmpty();
    document.addEventListener("easel-language", () => gallery.showEmpty());
    document.getElementById("extras_upscaling_res_switch_btn").onclick = () => {
        const [width, height] = ["w", "h"].map((side) => numberOf(`extras_upscaling_resize_${side}`)), kept = width.value;
        setValue(width, height.value);
        setValue(height, kept);
    };
    document.addEventListener("easel-taken", (event) => {
        if (event.detail.tab !== "extras") return;
        document.querySelector('[data-nav="mode_extras"] [data-value="single"]').click();
        easel.canvases.extras_image.put(event.detail.picture.reference).catch(tell);
    });
    const restore = setInterval(() => { // the form is filled a moment after it is there
        if (!box("extras_ready").value) return;
        clearInterval(restore);
        easel.canvases.extras_image.restore().catch(tell);
    }, 100);
    setInterval(markExtras, 500);
});
