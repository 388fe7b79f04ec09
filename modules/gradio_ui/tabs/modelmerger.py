"""Merge: checkpoints into one, LoRA into checkpoints or each other, a LoRA out of two checkpoints."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.context import Context

from modules.core.errors import EaselError
from modules.gradio_ui.components import (
    accordion,
    checkbox,
    dropdown,
    hidden_text,
    label,
    nav,
    number,
    radio,
    slider,
    textbox,
)
from modules.gradio_ui.form import Form
from modules.gradio_ui.generation_events import QUIET
from modules.gradio_ui.job_panel import build_job_panel
from modules.gradio_ui.merge_request import control_of, merge_request_of
from modules.gradio_ui.services import UiServices
from modules.gradio_ui.tabs import Tab, tabs
from modules.jobs.merge import checked
from modules.processing.merging.request import MergeRequest, to_json
from modules.processing.models.safetensors_header import read_header

TAB = "modelmerger"
MODES = {"checkpoints": f"{TAB}_checkpoints_tab", "networks": f"{TAB}_networks_tab", "extract": f"{TAB}_extract_tab"}
CHECKPOINTS = ("primary", "secondary", "tertiary", "tuned", "base")


def build(services: UiServices) -> None:
    form = Form(TAB, merge_request_of)
    with gr.Row(elem_classes=["work"]):
        with gr.Column(elem_id=f"{TAB}_settings", elem_classes=["controls"], scale=5, min_width=320):
            form.add("mode", hidden_text(f"{TAB}_mode_kept"))
            titles = [one.title for one in services.engine.catalog.checkpoints()]
            with gr.Column(elem_id="mode_modelmerger", elem_classes=["modes"]):
                nav("mode_modelmerger", MODES)
                with gr.Column(elem_id=MODES["checkpoints"], elem_classes=["panel"]):
                    build_checkpoints(form, titles, services)
                with gr.Column(elem_id=MODES["networks"], elem_classes=["panel"]):
                    build_networks(form)
                with gr.Column(elem_id=MODES["extract"], elem_classes=["panel"]):
                    build_extract(form, titles)
            form.add("name", textbox(f"{TAB}_custom_name"))
            form.add("precision", radio(f"{TAB}_precision", ("same", "fp32", "fp16", "bf16"), "same"))
        with gr.Column(elem_id=f"{TAB}_results", elem_classes=["results"], scale=7, min_width=320):
            with gr.Column(elem_classes=["actions"]):
                go = gr.Button(label(f"{TAB}_merge"), elem_id=f"{TAB}_merge", variant="primary")
            build_job_panel(TAB)
    wire(form, go, services)


def build_checkpoints(form: Form[MergeRequest], titles: list[str], services: UiServices) -> None:
    vaes = ["None", *(one.name for one in services.engine.catalog.vaes())]
    for name in ("primary", "secondary", "tertiary"):
        form.add(name, dropdown(f"{TAB}_{name}_model_name", titles, None, allow_custom_value=True))
    methods = ("weighted_sum", "add_difference", "none")
    form.add("method", radio(f"{TAB}_interp_method", methods, "weighted_sum"))
    gr.HTML(f'<p id="{TAB}_interp_description" class="quiet" role="status"></p>')
    form.add("multiplier", slider(f"{TAB}_interp_amount", 0, 1, 0.3, 0.05))
    form.add("networks", textbox(f"{TAB}_networks"))
    with gr.Column(elem_classes=["accordions"]), accordion(f"{TAB}_more"):
        form.add("vae", dropdown(f"{TAB}_bake_in_vae", vaes, "None", allow_custom_value=True))
        form.add("discard", textbox(f"{TAB}_discard_weights"))
        form.add("config_from", radio(f"{TAB}_config_method", ("any", "secondary", "tertiary", "none"), "any"))
        with gr.Row():
            form.add("recipe", checkbox(f"{TAB}_add_merge_recipe", True))
            form.add("copy", checkbox(f"{TAB}_copy_metadata_fields", True))
        extra = gr.Textbox("", label=label(f"{TAB}_metadata_json"), elem_id=f"{TAB}_metadata_json", lines=3)
        form.add("extra", extra)
        read = gr.Button(label(f"{TAB}_read_metadata"), elem_id=f"{TAB}_read_metadata")
    sources = [form.controls[name] for name in ("primary", "secondary", "tertiary")]
    read.click(lambda *names: read_metadata(services, names), sources, [extra], **QUIET)


def build_networks(form: Form[MergeRequest]) -> None:
    form.add("several", gr.Textbox("", label=label(f"{TAB}_several"), elem_id=f"{TAB}_several", lines=4))
    with gr.Row(elem_classes=["numbers"]):
        form.add("rank", number(f"{TAB}_rank", 0, minimum=0, maximum=1024))
        form.add("conv_rank", number(f"{TAB}_conv_rank", 0, minimum=0, maximum=1024))


def build_extract(form: Form[MergeRequest], titles: list[str]) -> None:
    for name in ("tuned", "base"):
        form.add(name, dropdown(f"{TAB}_{name}", titles, None, allow_custom_value=True))
    with gr.Row(elem_classes=["numbers"]):
        form.add("extract_rank", number(f"{TAB}_extract_rank", 32, minimum=1, maximum=1024))
        form.add("extract_conv_rank", number(f"{TAB}_extract_conv_rank", 0, minimum=0, maximum=1024))
    form.add("extract_text", checkbox(f"{TAB}_extract_text", True))


def wire(form: Form[MergeRequest], go: gr.Button, services: UiServices) -> None:
    """Submit, keep what is typed, restore it with the lists as they are now."""
    reply, ready, state = hidden_text(f"{TAB}_reply"), hidden_text(f"{TAB}_ready"), services.state

    def submit(values: dict[Component, Any]) -> str:
        try:
            request = checked(to_json(form.build(form.named(values))), services.engine)
            return json.dumps({"id": services.queue.submit("merge", request, tag=TAB).id})
        except EaselError as error:
            field = getattr(error, "field", "")
            return json.dumps({"error": error.message, "hint": error.hint, "control": control_of(field)})

    def keep(values: dict[Component, Any]) -> None:
        if values[ready] == "yes":
            state.put(TAB, form.named(values))

    def restore() -> dict[Component, Any]:
        titles = [one.title for one in services.engine.catalog.checkpoints()]
        lists = {form.controls[name]: gr.update(choices=titles) for name in CHECKPOINTS}
        kept = form.updates(state.get(TAB))
        return {ready: "yes", **kept, **{one: {**lists[one], **kept.get(one, {})} for one in lists}}

    go.click(submit, {ready, *form.inputs}, [reply], concurrency_limit=None, **QUIET).then(
        None, inputs=[reply], outputs=None, js="(reply) => { panelSubmitted(easel.mergePanel, reply); return []; }"
    )
    changes = [one.change for one in form.controls.values()]  # type: ignore[attr-defined]
    gr.on(changes, keep, {ready, *form.inputs}, None, trigger_mode="always_last", concurrency_limit=None, **QUIET)
    blocks = Context.root_block
    if blocks is not None:
        blocks.load(restore, inputs=None, outputs=[ready, *form.inputs], **QUIET)


def read_metadata(services: UiServices, names: Sequence[str | None]) -> str:
    """What single files say of themselves, as JSON; the first one's words win. What cannot be read says nothing."""
    found: dict[str, str] = {}
    for name in reversed([one for one in names if one]):
        with contextlib.suppress(EaselError):
            file = services.engine.catalog.find_checkpoint(name)
            found |= read_header(file.path).metadata if file.path.is_file() else {}
    return json.dumps(found, indent=1, ensure_ascii=False)


tabs.add(TAB, Tab(TAB, 50, build))
