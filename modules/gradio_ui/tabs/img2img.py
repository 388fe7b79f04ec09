"""img2img: a picture and words in, pictures out. Six modes of saying which picture, and which part of it."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr

from modules.gradio_ui import generation_form as parts
from modules.gradio_ui.canvas import build_picture, feather_filter
from modules.gradio_ui.components import (
    accordion,
    advice_slot,
    checkbox,
    dropdown,
    hidden_text,
    nav,
    radio,
    slider,
    switched,
    textbox,
)
from modules.gradio_ui.form import Form
from modules.gradio_ui.gallery import build_results
from modules.gradio_ui.generation_events import submit_on, wire
from modules.gradio_ui.generation_request import Values
from modules.gradio_ui.hires_form import build_method
from modules.gradio_ui.img2img_batch import PROPERTIES, batch_requests
from modules.gradio_ui.img2img_request import MODES, img2img_request, mode_of, requests_of
from modules.gradio_ui.outpaint_form import build_outpaint, outpaint_requests
from modules.gradio_ui.script_box import build_script_box
from modules.gradio_ui.services import UiServices
from modules.gradio_ui.tabs import Tab, tabs
from modules.gradio_ui.toprow import build_toprow
from modules.processing.requests import Generate

TAB = "img2img"
PANELS: dict[str, str] = dict(
    zip(
        MODES,
        ("img2img_img2img_tab", "img2img_img2img_sketch_tab", "img2img_inpaint_tab")
        + ("img2img_inpaint_sketch_tab", "img2img_inpaint_upload_tab", "img2img_batch_tab"),
        strict=True,
    )
)
SOFT = {  # lowest, highest, default, step
    "schedule_bias": (0.0, 8.0, 1.0, 0.1),
    "preservation_strength": (0.0, 8.0, 0.5, 0.05),
    "transition_contrast_boost": (1.0, 32.0, 4.0, 0.5),
    "mask_influence": (0.0, 1.0, 0.0, 0.05),
    "difference_threshold": (0.0, 8.0, 0.5, 0.25),
    "difference_contrast": (0.0, 8.0, 2.0, 0.25),
}


def build(services: UiServices) -> None:
    store = services.engine.inputs
    form = Form(TAB, lambda values: img2img_request(values, store))
    generate = build_toprow(form, services)
    with gr.Row(elem_classes=["work"]):
        with gr.Column(elem_id=f"{TAB}_settings", elem_classes=["controls"], scale=5, min_width=320):
            parts.build_browser(form)
            advice_slot(TAB, "checkpoint")
            build_modes(form, services)
            build_inpainting(form)
            build_resize(form, services)
            build_strength(form)
            parts.build_sampling(form, services)
            parts.build_seed(form)
            with gr.Column(elem_id=f"{TAB}_accordions", elem_classes=["accordions", "full-only"]):
                outpaint = build_outpaint(form)
                build_soft(form)
                build_method(form, ("auto", "direct", "windows"))  # a picture that is worked on has no first pass
                parts.build_variation(form)
                parts.build_refiner(form, services)
            build_script_box(form, TAB, services)
            parts.build_overrides(form)
        build_results(TAB)

    def make(values: Values, request: Generate, owner: bool) -> tuple[Iterator[Generate], str]:
        if mode_of(values) == "batch":
            folders = owner and not services.options.page.hide_ui_dir_config
            return batch_requests(values, request, store, folders=folders)
        return requests_of(values, request, store), ""

    def extend(values: Values, request: Generate, owner: bool) -> tuple[Iterator[Generate], str]:
        return outpaint_requests(values, store), ""

    submit_on(outpaint, form, services, extend, wire(form, generate, services, make))


def build_modes(form: Form, services: UiServices) -> None:
    form.add("mode", hidden_text(f"{TAB}_mode"))
    with gr.Column(elem_id="mode_img2img", elem_classes=["modes"]):
        nav("mode_img2img", PANELS)
        with gr.Column(elem_id=PANELS["img2img"], elem_classes=["panel"]):
            build_picture(form, "img2img_image", "image")
        with gr.Column(elem_id=PANELS["sketch"], elem_classes=["panel"]):
            build_picture(form, "img2img_sketch", "sketch", kind="colour")
        with gr.Column(elem_id=PANELS["inpaint"], elem_classes=["panel"]):
            build_picture(form, "img2maskimg", "inpaint", kind="mask")
        with gr.Column(elem_id=PANELS["inpaint_sketch"], elem_classes=["panel"]):
            build_picture(form, "inpaint_sketch", "inpaint_sketch", kind="colour")
        with gr.Column(elem_id=PANELS["upload"], elem_classes=["panel"]):
            build_picture(form, "img_inpaint_base", "upload")
            build_picture(form, "img_inpaint_mask", "upload_mask", drop="canvas.drop_mask")
        with gr.Column(elem_id=PANELS["batch"], elem_classes=["panel"]):
            build_batch(form, folders=not services.options.page.hide_ui_dir_config)
        gr.HTML(copy_buttons() + feather_filter(TAB))
    for control in ("image", "mask"):
        advice_slot(TAB, control)


def copy_buttons() -> str:
    targets = ("img2img", "sketch", "inpaint", "inpaint_sketch")
    buttons = "".join(
        f'<button type="button" class="gallery-button" data-copy="{one}" data-t="panel.{PANELS[one]}"></button>'
        for one in targets
    )
    return f'<div id="{TAB}_copy" class="copy-to" hidden><span class="quiet" data-t="copy.to"></span>{buttons}</div>'


def build_batch(form: Form, *, folders: bool) -> None:
    """Pictures handed in, or a folder; with `folders` false nothing asks for a folder of this machine."""
    form.add("batch_source", hidden_text(f"{TAB}_batch_source_kept"))
    form.add("batch_upload", hidden_text(f"{TAB}_batch_upload_kept"))
    with gr.Column(elem_id="img2img_batch_source", elem_classes=["modes"]):
        sources = {"upload": "img2img_batch_upload_tab"} | ({"folder": "img2img_batch_from_dir_tab"} if folders else {})
        nav("img2img_batch_source", sources)
        with gr.Column(elem_id="img2img_batch_upload_tab", elem_classes=["panel"]):
            gr.HTML(
                '<label id="img2img_batch_upload" class="drop small" tabindex="0"><input type="file" multiple'
                ' accept="image/*" tabindex="-1" data-t-aria="batch.drop"><span class="drop-text" data-t="batch.drop">'
                '</span></label><p id="img2img_batch_list" class="quiet" role="status"></p>'
            )
        if folders:
            with gr.Column(elem_id="img2img_batch_from_dir_tab", elem_classes=["panel"]):
                form.add("batch_input_dir", textbox("img2img_batch_input_dir"))
    if folders:
        form.add("batch_output_dir", textbox("img2img_batch_output_dir"))
        form.add("batch_mask_dir", textbox("img2img_batch_inpaint_mask_dir"))
    with accordion("img2img_batch_png_info"):
        form.add("batch_png_info", checkbox("img2img_batch_use_png_info"))
        if folders:
            form.add("batch_png_info_dir", textbox("img2img_batch_png_info_dir"))
        form.add(
            "batch_png_info_props",
            dropdown("img2img_batch_png_info_props", list(PROPERTIES), ["Prompt"], multiselect=True),
        )
    advice_slot(TAB, "batch")


def build_inpainting(form: Form) -> None:
    with gr.Column(elem_id="inpaint_controls", elem_classes=["inpaint-only"]):
        with gr.Row(elem_classes=["sliders"]):
            form.add("mask_blur", slider(f"{TAB}_mask_blur", 0, 64, 4, 1))
            form.add("mask_blur_y", slider(f"{TAB}_mask_blur_y", -1, 64, -1, 1))
        form.add("mask_alpha", slider(f"{TAB}_mask_alpha", 0, 100, 0, 1))
        with gr.Row():
            form.add("mask_mode", radio(f"{TAB}_mask_mode", ("masked", "not masked"), "masked"))
            fills = ("fill", "original", "latent noise", "latent nothing")
            form.add("fill", radio(f"{TAB}_inpainting_fill", fills, "original"))
        with gr.Row():
            form.add("area", radio(f"{TAB}_inpaint_full_res", ("whole picture", "only masked"), "whole picture"))
            form.add("padding", slider(f"{TAB}_inpaint_full_res_padding", 0, 256, 32, 4))
        advice_slot(TAB, "inpainting")


def build_resize(form: Form, services: UiServices) -> None:
    form.add("resize", radio("resize_mode", ("just", "crop", "fill", "latent"), "just", elem_classes=["full-only"]))
    form.add("resize_by", hidden_text(f"{TAB}_resize_by_kept"))
    with gr.Column(elem_id="img2img_tabs_resize", elem_classes=["modes"]):
        nav("img2img_tabs_resize", {"to": "img2img_tab_resize_to", "by": "img2img_tab_resize_by"})
        with gr.Column(elem_id="img2img_tab_resize_to", elem_classes=["panel"]):
            parts.build_size(form, services, detect=True)
        with gr.Column(elem_id="img2img_tab_resize_by", elem_classes=["panel"]):
            form.add("scale", slider(f"{TAB}_scale", 0.05, 4, 1, 0.05))
            gr.HTML('<span id="img2img_scale_resolution_preview" class="quiet" role="status"></span>')
    with gr.Row(elem_id=f"{TAB}_column_batch", elem_classes=["numbers", "full-only"]):
        parts.build_batch(form)


def build_strength(form: Form) -> None:
    with gr.Row(elem_classes=["sliders"]):
        form.add("strength", slider(f"{TAB}_denoising_strength", 0, 1, 0.75, 0.01))
        form.add("image_cfg_scale", slider(f"{TAB}_image_cfg_scale", 0, 3, 1.5, 0.05))
    advice_slot(TAB, "strength")


def build_soft(form: Form) -> None:
    fold, tick = switched(f"{TAB}_soft_inpainting", f"{TAB}_soft_enabled")
    form.add("soft", tick)
    with fold:
        for name, (low, high, value, step) in SOFT.items():
            form.add(f"soft_{name}", slider(f"{TAB}_soft_{name}", low, high, value, step))
        advice_slot(TAB, "soft")


tabs.add(TAB, Tab(TAB, 20, build))
