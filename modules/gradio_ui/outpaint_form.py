"""Outpainting as buttons: which sides grow, by how much, which way. It runs the script of that name."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import gradio as gr

from modules.core.errors import UserError
from modules.gradio_ui.components import accordion, advice_slot, label, number, radio
from modules.gradio_ui.form import Form
from modules.gradio_ui.generation_request import Values, whole
from modules.gradio_ui.img2img_request import MASKED, img2img_request, mode_of, picture_of, requests_of
from modules.gradio_ui.texts import text
from modules.imaging.inputs import PictureStore
from modules.processing.requests import Generate, ScriptCall
from modules.processing.scripts.outpainting import SIDES

WAYS = {"mk2": "Outpainting mk2", "tiles": "Poor man's outpainting"}  # as the form says it: the script


def build_outpaint(form: Form) -> gr.Button:
    """Adds `outpaint_sides`, `outpaint_pixels`, `outpaint_way`; returns the button that does it."""
    tab = form.tab
    with accordion(f"{tab}_outpaint"):
        sides = f"{tab}_outpaint_sides"
        choices = [(text(f"choice.{one}"), one) for one in SIDES]
        form.add("outpaint_sides", gr.CheckboxGroup(choices, value=list(SIDES), label=label(sides), elem_id=sides))
        with gr.Row(elem_classes=["numbers"]):
            form.add("outpaint_pixels", number(f"{tab}_outpaint_pixels", 64, minimum=8, maximum=256, step=8))
            form.add("outpaint_way", radio(f"{tab}_outpaint_way", [*WAYS], "mk2"))
        advice_slot(tab, "outpaint")
        return gr.Button(label(f"{tab}_outpaint_go"), elem_id=f"{tab}_outpaint_go")


def outpaint_requests(values: Values, store: PictureStore) -> Iterator[Generate]:
    """The mode's picture, drawn colours and all, made larger on the chosen sides. A mask plays no part in it."""
    sides = [one for one in SIDES if one in (values.get("outpaint_sides") or ())]
    if not sides:
        raise UserError("No side is chosen.", hint="Choose where the picture shall grow.", field="outpaint_sides")
    if mode_of(values) in MASKED:
        values = {**values, "image": picture_of(values), "mode": "img2img"}
    script = ScriptCall(
        name=WAYS[values.get("outpaint_way") or "mk2"],
        arguments={"pixels": whole(values, "outpaint_pixels", 64), "directions": list(sides)},
    )
    for request in requests_of(values, img2img_request(values, store), store):
        yield dataclasses.replace(request, after=dataclasses.replace(request.after, script=script))
