// One set of icons: 24 px grid, 1.75 px strokes, drawn for this page.
"use strict";

easel.icons = {
    paste: "M9 4h6v3H9zM9 5H6v15h12V5h-3M12 11v6M9.5 14.5 12 17l2.5-2.5",
    clear: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
    apply: "M4 7h10M4 12h6M4 17h6M13 15l2.5 2.5L20 12",
    edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
    keys: "M3 7h18v10H3zM6.5 10.5h.01M10 10.5h.01M13.5 10.5h.01M17 10.5h.01M8 14h8",
    swap: "M7 4v14M4 15l3 3 3-3M17 20V6M14 9l3-3 3 3",
    dice: "M5 5h14v14H5zM9 9h.01M15 9h.01M12 12h.01M9 15h.01M15 15h.01",
    reuse: "M9 14l-5-5 5-5M4 9h10a6 6 0 0 1 0 12h-3",
    refresh: "M4 12a8 8 0 0 1 14-5M20 12a8 8 0 0 1-14 5M18 3v4h-4M6 21v-4h4",
    save: "M6 4h12v16l-6-4-6 4z",
    zip: "M5 4h14v16H5zM12 4v2M12 8v2M12 12v2M10.5 17h3",
    open: "M14 4h6v6M20 4l-9 9M18 14v6H4V6h6",
    send: "M4 12h14M13 6l6 6-6 6",
    theme: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
    note: "M12 8v5M12 16.5h.01M12 3l9.5 17h-19z",
    brush: "M4 20c2 0 4-.5 4-3a2.5 2.5 0 0 0-5 0c0 1.500 0 2-1 2.500zM8 14 18 3l3 3-11 10",
    eraser: "M8 20h12M4 15 14 5l6 6-9 9H8zM9 10l6 6",
    hand: "M12 3v18M3 12h18M12 3 9.500 5.500M12 3l2.500 2.500M12 21l-2.500-2.500M12 21l2.500-2.500M3 12l2.500-2.500M3 12l2.500 2.500M21 12l-2.500-2.500M21 12l-2.500 2.500",
    undo: "M8 5 4 9l4 4M4 9h10a5 5 0 0 1 0 10h-3",
    redo: "M16 5l4 4-4 4M20 9H10a5 5 0 0 0 0 10h3",
    wipe: "M4 4h16v16H4zM8 8l8 8M16 8l-8 8",
    minus: "M5 12h14",
    plus: "M5 12h14M12 5v14",
    fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
    fill: "M4 4h16v16H4zM8 12h8M8 8h8M8 16h8",
    invert: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 4v16M12 8h5M12 12h8M12 16h5",
    feather: "M5 12a7 7 0 1 0 14 0 7 7 0 1 0-14 0M9 12a3 3 0 1 0 6 0 3 3 0 1 0-6 0",
    mask: "M4 4h16v16H4zM8 12a4 4 0 1 0 8 0 4 4 0 1 0-8 0",
    measure: "M3 16 16 3l5 5L8 21zM7 12l2 2M10 9l3 3M13 6l2 2",
    upscale: "M4 14h6v6H4zM10 4h10v10M20 4l-8 8",
    extras: "M4 7h9M17 7h3M4 17h3M11 17h9M13 5v4M7 15v4",
    up: "M12 19V5M6 11l6-6 6 6",
    down: "M12 5v14M6 13l6 6 6-6",
    stop: "M6 6h12v12H6z",
    show: "M3 12s3-6 9-6 9 6 9 6-3 6-9 6-9-6-9-6zM12 10a2 2 0 1 0 0 4 2 2 0 0 0 0-4",
};

function icon(name) {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    svg.classList.add("icon");
    const path = document.createElementNS(space, "path");
    path.setAttribute("d", easel.icons[name] || "");
    svg.append(path);
    return svg;
}

function drawIcons() {
    for (const element of document.querySelectorAll("[data-icon]")) {
        if (!element.querySelector("svg")) element.prepend(icon(element.dataset.icon));
    }
    for (const element of document.querySelectorAll("button.tool")) {
        const name = Array.from(element.classList).find((one) => one.startsWith("icon-"));
        if (name && !element.querySelector("svg")) element.prepend(icon(name.slice(5)));
    }
}
