"""Extras: pictures that are there made larger, their faces better, and pictures made ready for a training."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.context import Context

from modules.core.errors import EaselError, UserError
from modules.gradio_ui.canvas import build_picture
from modules.gradio_ui.components import (
    accordion,
    checkbox,
    dropdown,
    hidden_text,
    nav,
    number,
    radio,
    slider,
    switched,
    textbox,
    tool_button,
)
from modules.gradio_ui.extras_request import CONTROLS, FLIPS, extras_request
from modules.gradio_ui.form import Form
from modules.gradio_ui.gallery import build_results
from modules.gradio_ui.generation_events import QUIET
from modules.gradio_ui.owner import is_owner
from modules.gradio_ui.services import UiServices
from modules.gradio_ui.tabs import Tab, tabs
from modules.gradio_ui.toprow import build_actions
from modules.processing.extras import Extras, ExtrasRequest
from modules.processing.extras.request import AutoCrop, Folder

TAB = "extras"


def build(services: UiServices) -> None:
    form = Form(TAB, extras_request)
    with gr.Row(elem_classes=["work"]):
        with gr.Column(elem_id=f"{TAB}_settings", elem_classes=["controls"], scale=5, min_width=320):
            build_source(form, folders=not services.options.page.hide_ui_dir_config)
            with gr.Column(elem_id=f"{TAB}_actions_column", elem_classes=["actions"]):
                generate = build_actions(TAB)
            build_upscale(form, services)
            with gr.Column(elem_id=f"{TAB}_accordions", elem_classes=["accordions", "full-only"]):
                build_faces(form)
                build_cuts(form)
                build_auto_crop(form)
                build_copies(form)
        build_results(TAB)
    wire(form, generate, services)


def build_source(form: Form, *, folders: bool) -> None:
    """One picture, several, or a folder of this machine."""
    form.add("mode", hidden_text(f"{TAB}_mode_kept"))
    panels = {"single": "extras_single_tab", "batch": "extras_batch_process_tab"}
    with gr.Column(elem_id="mode_extras", elem_classes=["modes"]):
        nav("mode_extras", panels | ({"folder": "extras_batch_directory_tab"} if folders else {}))
        with gr.Column(elem_id="extras_single_tab", elem_classes=["panel"]):
            build_picture(form, "extras_image", "image")
        with gr.Column(elem_id="extras_batch_process_tab", elem_classes=["panel"]):
            form.add("batch", hidden_text(f"{TAB}_batch_kept"))
            gr.HTML(
                '<label id="extras_image_batch" class="drop small" tabindex="0"><input type="file" multiple'
                ' accept="image/*" tabindex="-1" data-t-aria="batch.drop"><span class="drop-text" data-t="batch.drop">'
                '</span></label><p id="extras_batch_list" class="quiet" role="status"></p>'
            )
        if folders:
            with gr.Column(elem_id="extras_batch_directory_tab", elem_classes=["panel"]):
                form.add("input_dir", textbox("extras_batch_input_dir"))
                form.add("output_dir", textbox("extras_batch_output_dir"))
                form.add("show_results", checkbox("extras_show_extras_results", True))


def build_upscale(form: Form, services: UiServices) -> None:
    names = services.engine.upscalers.names()
    form.add("size_mode", hidden_text(f"{TAB}_size_mode_kept"))
    with gr.Column(elem_id="extras_resize_mode", elem_classes=["modes"]):
        nav("extras_resize_mode", {"by": "extras_scale_by_tab", "to": "extras_scale_to_tab"})
        with gr.Column(elem_id="extras_scale_by_tab", elem_classes=["panel"]):
            form.add("by", slider("extras_upscaling_resize", 1, 8, 4, 0.05))
            form.add("max_side", number("extras_max_side_length", 0, minimum=0, maximum=16_384, step=8))
        with gr.Column(elem_id="extras_scale_to_tab", elem_classes=["panel"]):
            with gr.Row(elem_classes=["numbers"]):
                form.add("width", number("extras_upscaling_resize_w", 512, minimum=64, maximum=8192, step=8))
                tool_button("extras_upscaling_res_switch_btn", "swap")
                form.add("height", number("extras_upscaling_resize_h", 512, minimum=64, maximum=8192, step=8))
            form.add("crop", checkbox("extras_upscaling_crop", True))
    with gr.Row():
        form.add("upscaler_1", dropdown("extras_upscaler_1", names, "Lanczos", allow_custom_value=True))
        form.add("upscaler_2", dropdown("extras_upscaler_2", names, "None", allow_custom_value=True))
    form.add("upscaler_2_visibility", slider("extras_upscaler_2_visibility", 0, 1, 0, 0.001))


def build_faces(form: Form) -> None:
    with accordion("extras_gfpgan"):
        form.add("gfpgan", slider("extras_gfpgan_visibility", 0, 1, 0, 0.001))
    with accordion("extras_codeformer"):
        form.add("codeformer", slider("extras_codeformer_visibility", 0, 1, 0, 0.001))
        form.add("codeformer_weight", slider("extras_codeformer_weight", 0, 1, 0, 0.001))


def switch(form: Form, name: str, elem_id: str) -> gr.Accordion:
    """An accordion that is an operation; adds its tick to the form."""
    fold, tick = switched(elem_id, f"{elem_id}_enabled")
    form.add(name, tick)
    return fold


def build_cuts(form: Form) -> None:
    with switch(form, "split", "extras_split"):
        form.add("split_threshold", slider("postprocess_split_threshold", 0, 1, 0.5, 0.05))
        form.add("split_overlap", slider("postprocess_overlap_ratio", 0, 0.9, 0.2, 0.05))
    with switch(form, "focal", "extras_focal_crop"):
        form.add("focal_entropy", slider("postprocess_focal_crop_entropy_weight", 0, 1, 0.15, 0.05))
        form.add("focal_edges", slider("postprocess_focal_crop_edges_weight", 0, 1, 0.5, 0.05))


def build_auto_crop(form: Form) -> None:
    usual = AutoCrop()
    with switch(form, "auto", "extras_auto_crop"):
        with gr.Row(elem_classes=["sliders"]):
            form.add("auto_min_side", slider("postprocess_multicrop_mindim", 64, 2048, usual.min_side, 8))
            form.add("auto_max_side", slider("postprocess_multicrop_maxdim", 64, 2048, usual.max_side, 8))
        with gr.Row(elem_classes=["sliders"]):
            form.add("auto_min_area", slider("postprocess_multicrop_minarea", 64 * 64, 2048**2, usual.min_area, 1))
            form.add("auto_max_area", slider("postprocess_multicrop_maxarea", 64 * 64, 2048**2, usual.max_area, 1))
        objectives = ("Maximize area", "Minimize error")
        form.add("auto_objective", radio("postprocess_multicrop_objective", objectives, usual.objective))
        form.add("auto_threshold", slider("postprocess_multicrop_threshold", 0, 1, usual.threshold, 0.01))


def build_copies(form: Form) -> None:
    with accordion("extras_flip"), gr.Row():
        for flip in FLIPS:
            form.add(f"flip_{flip.lower()}", checkbox(f"extras_flip_{flip.lower()}", min_width=100))
    with switch(form, "caption", "extras_caption"):
        form.add("caption_by", radio("extras_caption_by", ("prompt", "text", "BLIP", "Deepbooru"), "prompt"))
        form.add("caption_text", textbox("extras_caption_text"))


def wire(form: Form[ExtrasRequest], generate: gr.Button, services: UiServices) -> None:
    """Submit, keep what is typed, restore it."""
    client_id, reply = hidden_text(f"{TAB}_client_id"), hidden_text(f"{TAB}_reply")
    ready, state = hidden_text(f"{TAB}_ready"), services.state

    def submit(values: dict[Component, Any], asked: gr.Request) -> str:
        client = values[client_id]
        try:
            request = form.build(form.named(values))
            check(request, services, owner=asked.request is not None and is_owner(asked.request))
            job = services.queue.submit("extras", request.to_json(), tag=TAB, id=client or None)
            return json.dumps({"id": job.id, "client": client})
        except EaselError as error:
            field = getattr(error, "field", "")
            told = {"error": error.message, "hint": error.hint, "field": CONTROLS.get(field, field)}
            return json.dumps({**told, "client": client})

    def keep(values: dict[Component, Any]) -> None:
        if values[ready] == "yes":
            state.put(TAB, form.named(values))

    def restore() -> dict[Component, Any]:
        choices = services.engine.upscalers.names()
        lists = {form.controls[name]: gr.update(choices=choices) for name in ("upscaler_1", "upscaler_2")}
        kept = form.updates(form.changed(state.get(TAB)))
        return {ready: "yes", **kept, **{one: {**lists[one], **kept.get(one, {})} for one in lists}}

    generate.click(submit, {client_id, *form.inputs}, [reply], concurrency_limit=None, **QUIET).then(
        None, inputs=[reply], outputs=None, js=f"(reply) => {{ easelSubmitted('{TAB}', reply); return []; }}"
    )
    changes = [one.change for one in form.controls.values()]  # type: ignore[attr-defined]
    gr.on(changes, keep, {ready, *form.inputs}, None, trigger_mode="always_last", concurrency_limit=None, **QUIET)
    blocks = Context.root_block
    if blocks is not None:
        blocks.load(restore, inputs=None, outputs=[ready, *form.inputs], **QUIET)


def check(request: ExtrasRequest, services: UiServices, *, owner: bool) -> None:
    """Refused before it queues; folders of this machine are for whoever sits at it."""
    if isinstance(request.source, Folder) and (not owner or services.options.page.hide_ui_dir_config):
        raise UserError("Folders cannot be chosen here.", hint="Hand the pictures in.", field="source.folder")
    Extras(services.engine).check(request)


tabs.add(TAB, Tab(TAB, 30, build))
