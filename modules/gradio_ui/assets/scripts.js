// The Script box: the controls of the chosen script are seen, and a text file can be read into a field.
"use strict";

function showScript(tab, title) {
    const container = document.getElementById(`${tab}_script_container`);
    if (!container) return;
    const slug = String(title).toLowerCase().replace(/ /g, "_").replace(/[^a-z_0-9]/g, "");
    for (const one of container.querySelectorAll(".script")) one.classList.toggle("chosen", one.id === `script_${tab}_${slug}`);
}

document.addEventListener("change", async (event) => {
    const input = event.target;
    if (!(input instanceof HTMLInputElement) || !input.dataset.fills || !input.files.length) return;
    setValue(box(input.dataset.fills), await input.files[0].text());
    input.value = "";
});
