// The styles dialog, and writing chosen styles into the prompts.
"use strict";

function chosenStyles() {
    return Array.from(document.querySelectorAll("#txt2img_styles .token span"), (one) => one.textContent.trim()).filter(Boolean);
}

async function editStyles() {
    let all = (await ask("easel/styles")).styles;
    const name = make("input", {type: "text", list: "easel_style_names", "aria-label": t("styles.name"), placeholder: t("styles.name")});
    const names = make("datalist", {id: "easel_style_names"});
    const prompt = make("textarea", {id: "txt2img_edit_style_prompt", rows: 3, "aria-label": t("label.txt2img_prompt"), placeholder: t("label.txt2img_prompt")});
    const negative = make("textarea", {id: "txt2img_edit_style_neg_prompt", rows: 2, "aria-label": t("label.txt2img_neg_prompt"), placeholder: t("label.txt2img_neg_prompt")});
    const list = () => names.replaceChildren(...all.map((one) => make("option", {value: one.name})));
    list();
    name.oninput = () => {
        const found = all.find((one) => one.name === name.value);
        if (found) { prompt.value = found.prompt; negative.value = found.negative; }
    };
    const act = (wish, words, then) => async () => {
        try { all = (await ask("easel/styles", wish())).styles; list(); then?.(); toast(t(words)); fillForm({styles: true}); } catch (error) { tell(error); }
    };
    const empty = () => { for (const one of [name, prompt, negative]) one.value = ""; };
    const button = (words, click) => make("button", {type: "button", text: t(words), on: {click}});
    popup(t("styles.title"), make("div", {class: "form"}, name, names, prompt, negative, make("p", {class: "quiet", text: t("styles.hint")})),
        make("div", {class: "dialog-actions"},
            button("styles.copy", () => { prompt.value = box("txt2img_prompt").value; negative.value = box("txt2img_neg_prompt").value; }),
            button("styles.delete", act(() => ({delete: name.value}), "styles.deleted", empty)),
            button("styles.save", act(() => ({save: {name: name.value, prompt: prompt.value, negative: negative.value}}), "styles.saved"))));
}

onUiLoaded(() => {
    document.getElementById("txt2img_styles_edit_button").onclick = () => editStyles().catch(tell);
    document.getElementById("txt2img_style_apply").onclick = async () => {
        const apply = chosenStyles();
        if (!apply.length) { toast(t("styles.none")); return; }
        try {
            const found = await ask("easel/styles", {apply, prompt: box("txt2img_prompt").value, negative: box("txt2img_neg_prompt").value});
            fillForm({values: {prompt: found.prompt, negative: found.negative, styles: []}});
        } catch (error) { tell(error); }
    };
});
