"""txt2img: words in, pictures out."""

from __future__ import annotations

import gradio as gr

from modules.gradio_ui import generation_form as parts
from modules.gradio_ui.components import advice_slot
from modules.gradio_ui.form import Form
from modules.gradio_ui.gallery import build_results
from modules.gradio_ui.generation_events import wire
from modules.gradio_ui.generation_request import common_request
from modules.gradio_ui.services import UiServices
from modules.gradio_ui.tabs import Tab, tabs
from modules.gradio_ui.toprow import build_toprow

TAB = "txt2img"


def build(services: UiServices) -> None:
    form = Form(TAB, common_request)
    generate = build_toprow(form, services)
    with gr.Row(elem_classes=["work"]):
        with gr.Column(elem_id=f"{TAB}_settings", elem_classes=["controls"], scale=5, min_width=320):
            advice_slot(TAB, "checkpoint")
            parts.build_size(form, services)
            parts.build_sampling(form, services)
            parts.build_seed(form)
            with gr.Column(elem_id=f"{TAB}_accordions", elem_classes=["accordions", "full-only"]):
                parts.build_variation(form)
                parts.build_refiner(form, services)
            parts.build_overrides(form)
        build_results(TAB)
    wire(form, generate, services)


tabs.add(TAB, Tab(TAB, 10, build))
