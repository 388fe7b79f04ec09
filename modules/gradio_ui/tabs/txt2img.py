"""txt2img: words in, pictures out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import gradio as gr

from modules.gradio_ui import generation_form as parts
from modules.gradio_ui.components import advice_slot, hidden_button, hidden_text
from modules.gradio_ui.form import Form
from modules.gradio_ui.gallery import build_results
from modules.gradio_ui.generation_events import submit_on, wire
from modules.gradio_ui.generation_request import Values, common_request
from modules.gradio_ui.hires_form import build_hires, build_method, hires_of
from modules.gradio_ui.script_box import build_script_box
from modules.gradio_ui.services import UiServices
from modules.gradio_ui.tabs import Tab, tabs
from modules.gradio_ui.toprow import build_toprow
from modules.imaging.infotext import parse_infotext
from modules.processing.pasted import request_from_fields
from modules.processing.requests import Generate

TAB = "txt2img"


def build_request(values: Values) -> Generate:
    request = common_request(values)
    hires = hires_of(values) if values.get("hires") else None
    return dataclasses.replace(request, after=dataclasses.replace(request.after, hires=hires))


def build(services: UiServices) -> None:
    form = Form(TAB, build_request)
    generate = build_toprow(form, services)
    with gr.Row(elem_classes=["work"]):
        with gr.Column(elem_id=f"{TAB}_settings", elem_classes=["controls"], scale=5, min_width=320):
            parts.build_browser(form)
            advice_slot(TAB, "checkpoint")
            parts.build_size(form, services)
            parts.build_sampling(form, services)
            parts.build_seed(form)
            with gr.Column(elem_id=f"{TAB}_accordions", elem_classes=["accordions", "full-only"]):
                build_hires(form, services)
                build_method(form)
                parts.build_variation(form)
                parts.build_refiner(form, services)
            build_script_box(form, TAB, services)
            parts.build_overrides(form)
        build_results(TAB)
    events = wire(form, generate, services)
    first, upscale = hidden_text(f"{TAB}_first"), hidden_button(f"{TAB}_upscale_first")

    def enlarge(values: Values, request: Generate, owner: bool) -> tuple[Iterator[Generate], str]:
        return iter([upscale_request(values, request, json.loads(values["first"]))]), ""

    submit_on(upscale, form, services, enlarge, events, more={"first": first})


def upscale_request(values: Values, request: Generate, first: dict[str, Any]) -> Generate:
    """The second pass over a finished picture. first: {"reference", "width", "height", "infotext"}."""
    made = request_from_fields(parse_infotext(first["infotext"])).request.seed
    seed = request.seed
    if made.seed >= 0:
        seed = dataclasses.replace(seed, seed=made.seed, variation=made.variation)
    shape = dataclasses.replace(
        request.shape,
        width=int(first["width"]),
        height=int(first["height"]),
        batch_size=1,
        batch_count=1,
        method="direct",
    )
    after = dataclasses.replace(request.after, hires=hires_of(values, first=first["reference"]), script=None)
    return dataclasses.replace(request, seed=seed, shape=shape, after=after)


tabs.add(TAB, Tab(TAB, 10, build))
