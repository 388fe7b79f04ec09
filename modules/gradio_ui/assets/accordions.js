// Accordions with a tick in their head: unfolding one switches it on, and the tick says whether it is.
"use strict";

function startSwitch(accordion) {
    const behind = accordion.querySelector(".switch input[type=checkbox]"), head = accordion.querySelector("button.label-wrap");
    const tick = make("input", {type: "checkbox", class: "accordion-switch", id: behind.closest(".switch").id.replace(/-checkbox$|_enabled$/, "-visible-checkbox")});
    const unfolded = () => head.classList.contains("open");
    accordion.prepend(tick);
    function name() { tick.setAttribute("aria-label", behind.parentElement.textContent.trim()); }
    function follow() { if (tick.checked !== behind.checked) tick.checked = behind.checked; } // pasted, or restored
    tick.addEventListener("change", () => {
        if (behind.checked !== tick.checked) behind.click();
        if (unfolded() !== tick.checked) head.click();
    });
    head.addEventListener("click", () => setTimeout(() => { if (unfolded() && !behind.checked) behind.click(); follow(); }, 0));
    document.addEventListener("easel-language", () => setTimeout(name, 0));
    setInterval(follow, 300);
    name();
}

onUiLoaded(() => { for (const one of document.querySelectorAll(".input-accordion.switched")) startSwitch(one); });
