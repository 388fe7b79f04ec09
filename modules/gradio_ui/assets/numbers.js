// A number typed beside a slider is cut to the slider's range: that is said, not done silently.
"use strict";

document.addEventListener("focusin", (event) => { delete event.target.dataset.typed; });
document.addEventListener("input", (event) => {
    if (!event.target.matches("input")) return;
    event.target.closest(".block")?.querySelector(".cut")?.remove();
    if (event.target.type === "number" && event.target === document.activeElement) event.target.dataset.typed = event.target.value;
}, true);
document.addEventListener("focusout", (event) => {
    const input = event.target, block = input.closest?.(".block");
    if (!input.dataset.typed || !block?.querySelector("input[type=range]")) return;
    const typed = input.dataset.typed, {min, max} = block.querySelector("input[type=range]");
    delete input.dataset.typed;
    if (Number(typed) >= Number(min) && Number(typed) <= Number(max)) return;
    setTimeout(() => block.append(make("p", {class: "cut", role: "status", text: t("number.cut", {typed, min, max, now: input.value})})), 100);
});
