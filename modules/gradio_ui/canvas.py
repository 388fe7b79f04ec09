"""Pictures to work on: where one is dropped, and drawn on. assets/canvas.js brings it to life.

The form holds references of the picture store, as texts: a picture and what was drawn on it survive reload and restart.
Gradio's ImageEditor is not used: what Python puts into its layer (a filled, inverted, loaded or restored mask) is gone
at the next stroke (measured on 6.31).
"""

from __future__ import annotations

from typing import Literal

import gradio as gr

from modules.gradio_ui.components import hidden_text
from modules.gradio_ui.form import Form


def build_picture(
    form: Form,
    elem_id: str,
    name: str,
    *,
    kind: Literal["plain", "mask", "colour"] = "plain",
    drop: str = "canvas.drop",
) -> None:
    """Adds control `name` to the form: the picture's reference; with a canvas also `name`_drawn: the strokes', RGBA."""
    kept, drawn = f"{form.tab}_{name}_kept", f"{form.tab}_{name}_drawn"
    layer = "" if kind == "plain" else f' data-layer="{drawn}"'
    gr.HTML(
        f'<div id="{elem_id}" class="easel-canvas" data-kind="{kind}" data-picture="{kept}"{layer}>'
        '<label class="drop" tabindex="0"><input type="file" accept="image/*" tabindex="-1"'
        f' data-t-aria="{drop}"><span class="drop-text" data-t="{drop}"></span></label></div>'
    )
    form.add(name, hidden_text(kept))
    if kind != "plain":
        form.add(f"{name}_drawn", hidden_text(drawn))


def feather_filter(tab: str) -> str:
    """The SVG filter that shows a mask blurred, and turned round; canvas.js fills in the numbers."""
    return (
        '<svg width="0" height="0" class="feather" aria-hidden="true">'
        f'<filter id="{tab}_feather" x="0" y="0" width="100%" height="100%" color-interpolation-filters="sRGB">'
        '<feGaussianBlur in="SourceAlpha" stdDeviation="0 0" result="soft"/>'
        '<feComponentTransfer in="soft" result="turned"><feFuncA type="table" tableValues="0 1"/></feComponentTransfer>'
        '<feFlood flood-color="#2f7bff"/><feComposite operator="in" in2="turned"/></filter></svg>'
    )
