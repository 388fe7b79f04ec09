// PNG Info: drop or choose a picture, see everything it says, send it to txt2img.
"use strict";

onUiLoaded(() => {
    const drop = document.getElementById("pnginfo_image"), input = drop.querySelector("input"), image = drop.querySelector("img");
    const send = document.getElementById("txt2img_tab"), paper = document.getElementById("pnginfo_generation_info");
    let infotext = "";

    async function read(file) {
        if (!file) return;
        try {
            const found = await readPicture(file);
            infotext = found.infotext;
            image.src = URL.createObjectURL(file);
            image.alt = file.name;
            image.hidden = false;
            drop.classList.add("filled");
            send.disabled = !infotext;
            document.getElementById("pnginfo_chips").replaceChildren(...paperChips(found.fields));
            const items = {[file.name]: found.picture, ...found.items};
            paper.replaceChildren(...Object.entries(items).map(([name, value]) => make("section", {}, make("h3", {text: name}), make("pre", {text: value, tabIndex: 0}))));
            if (!infotext) paper.prepend(make("p", {class: "quiet", text: t("prompt.no_info")}));
        } catch (error) { tell(error); }
    }

    input.onchange = () => read(input.files[0]);
    drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("dropping"); });
    drop.addEventListener("dragleave", () => drop.classList.remove("dropping"));
    drop.addEventListener("drop", (event) => { event.preventDefault(); drop.classList.remove("dropping"); read(event.dataTransfer.files[0]); });
    drop.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); input.click(); } });
    document.addEventListener("paste", (event) => {
        const file = Array.from(event.clipboardData?.files || []).find((one) => one.type.startsWith("image/"));
        if (file && uiElementIsVisible(drop)) read(file);
    });
    send.onclick = () => { pasteInfotext(infotext, "txt2img").catch(tell); selectTab("txt2img"); };
});
