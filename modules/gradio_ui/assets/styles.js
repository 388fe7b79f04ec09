// The styles dialog, and writing chosen styles into the prompts.
"use strict";

function chosenStyles(tab) {
    return Array.from(document.querySelectorAll(`#${tab}_styles .token span`), (one) => one.textContent.trim()).filter(Boolean);
}

async function editStyles(tab) {
    let all = (await ask("easel/styles")).styles;
    const name = make("input", {type: "text", list: "easel_style_names", "aria-label": t("styles.name"), placeholder: t("styles.name")});
    const names = make("datalist", {id: "easel_style_names"});
    const prompt = make("textarea", {id: `${tab}_edit_style_prompt`, rows: 3, "aria-label": t("label.*_prompt"), placeholder: t("label.*_prompt")});
    const negative = make("textarea", {id: `${tab}_edit_style_neg_prompt`, rows: 2, "aria-label": t("label.*_neg_prompt"), placeholder: t("label.*_neg_prompt")});
    const list = () => names.replaceChildren(...all.map((one) => make("option", {value: one.name})));
    list();
    name.oninput = () => {
        const found = all.find((one) => one.name === name.value);
        if (found) { prompt.value = found.prompt; negative.value = found.negative; }
    };
    const act = (wish, words, then) => async () => {
        try { all = (await ask("easel/styles", wish())).styles; list(); then?.(); toast(t(words)); for (const each of easel.forms) fillForm({styles: true}, each); } catch (error) { tell(error); }
    };
    const empty = () => { for (const one of [name, prompt, negative]) one.value = ""; };
    const button = (words, click) => make("button", {type: "button", text: t(words), on: {click}});
    popup(t("styles.title"), make("div", {class: "form"}, name, names, prompt, negative, make("p", {class: "quiet", text: t("styles.hint")})),
        make("div", {class: "dialog-actions"},
            button("styles.copy", () => { prompt.value = box(`${tab}_prompt`).value; negative.value = box(`${tab}_neg_prompt`).value; }),
            button("styles.delete", act(() => ({delete: name.value}), "styles.deleted", empty)),
            button("styles.save", act(() => ({save: {name: name.value, prompt: prompt.value, negative: negative.value}}), "styles.saved"))));
}

onUiLoaded(() => {
    for (const tab of easel.forms) {
        document.getElementById(`${tab}_styles_edit_button`).onclick = () => editStyles(tab).catch(tell);
        document.getElementById(`${tab}_style_apply`).onclick = async () => {
            const apply = chosenStyles(tab);
            if (!apply.length) { toast(t("styles.none")); return; }
            try {
                const found = await ask("easel/styles", {apply, prompt: box(`${tab}_prompt`).value, negative: box(`${tab}_neg_prompt`).value});
                fillForm({values: {prompt: found.prompt, negative: found.negative, styles: []}}, tab);
            } catch (error) { tell(error); }
        };
    }
});
