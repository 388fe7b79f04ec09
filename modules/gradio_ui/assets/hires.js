// The second pass: which size it leads to, and making it of a finished picture.
"use strict";

/** The size after the second pass for a first one, as Python computes it: by the scale, by one side, or covered and cut. */
function hiresSize(width, height) {
    const value = (name) => Number(numberOf(`txt2img_${name}`)?.value || 0), x = value("hr_resize_x"), y = value("hr_resize_y"), scale = value("hr_scale");
    if (!x && !y) return [Math.floor(width * scale), Math.floor(height * scale)];
    if (!y) return [x, Math.floor(x * height / width)];
    if (!x) return [Math.floor(y * width / height), y];
    return [x, y];
}

function showHiresSize() {
    const line = document.getElementById("txtimg_hr_finalres"), box = document.querySelector("#txt2img_hr-checkbox input");
    const [width, height] = ["width", "height"].map((name) => Number(numberOf(`txt2img_${name}`)?.value || 0));
    const [toWidth, toHeight] = hiresSize(width, height);
    const words = box?.checked && width && height ? t("hires.from_to", {from: `${width} \u00d7 ${height}`, to: `${toWidth} \u00d7 ${toHeight}`}) : "";
    if (line.textContent !== words) line.textContent = words;
}

/** Make the second pass of a picture of the gallery, with the form's hires settings. */
async function upscalePicture(gallery) {
    const kept = await keepPicture({url: gallery.url(gallery.index)});
    setValue(box("txt2img_first"), JSON.stringify({reference: kept.reference, width: kept.width, height: kept.height, infotext: gallery.picture.infotext}));
    setTimeout(() => document.getElementById("txt2img_upscale_first").click(), 50);
}

onUiLoaded(() => {
    setInterval(showHiresSize, 400);
    document.addEventListener("easel-language", showHiresSize);
});
