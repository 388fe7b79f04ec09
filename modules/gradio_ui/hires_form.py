"""How a large size is reached: the second pass (hires fix), windows, or what the size asks for."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from modules.gradio_ui.components import (
    accordion,
    advice_slot,
    dropdown,
    number,
    prompt_box,
    radio,
    slider,
    switched,
)
from modules.gradio_ui.form import Form
from modules.gradio_ui.generation_request import Values, real, whole
from modules.gradio_ui.model_view import checkpoint_titles
from modules.gradio_ui.paste import SAME
from modules.gradio_ui.regions_form import build_regions
from modules.gradio_ui.services import UiServices
from modules.processing.requests import Hires, HiresPass
from modules.processing.samplers import samplers
from modules.processing.schedules import schedules
from modules.processing.upscalers import LATENT_MODES

TILINGS = ("setting", "off", "x", "y", "both")  # of the edges that meet; "setting": as it says
METHODS = ("auto", "direct", "hires", "windows")


def build_hires(form: Form, services: UiServices) -> None:
    """The second pass, at first off. Ids as in A1111, where the accordion has its switch inside."""
    tab = form.tab
    fold, tick = switched(f"{tab}_hr", f"{tab}_hr-checkbox")
    form.add("hires", tick)
    with fold:
        gr.HTML('<span id="txtimg_hr_finalres" class="quiet" role="status"></span>')
        names = [*LATENT_MODES, *services.engine.upscalers.names()]
        with gr.Row():
            form.add("hr_upscaler", dropdown(f"{tab}_hr_upscaler", names, names[0], allow_custom_value=True))
            form.add("hr_steps", slider(f"{tab}_hires_steps", 0, 150, 0, 1))
        with gr.Row(elem_classes=["sliders"]):
            form.add("hr_strength", slider(f"{tab}_denoising_strength", 0, 1, 0.7, 0.01))
            form.add("hr_scale", slider(f"{tab}_hr_scale", 1, 4, 2, 0.05))
        with gr.Row(elem_classes=["numbers"]):
            form.add("hr_resize_x", number(f"{tab}_hr_resize_x", 0, minimum=0, maximum=16384, step=8))
            form.add("hr_resize_y", number(f"{tab}_hr_resize_y", 0, minimum=0, maximum=16384, step=8))
        advice_slot(tab, "hires")
        build_second_pass(form, services)


def build_second_pass(form: Form, services: UiServices) -> None:
    """What may differ from the first pass."""
    titles, others = checkpoint_titles(services), [one for one in schedules.names() if one != "Automatic"]
    choices = {
        "hr_checkpoint": ("hr_checkpoint", titles),
        "hr_sampler": ("hr_sampler", samplers.names()),
        "hr_schedule": ("hr_scheduler", ["Automatic", *others]),
    }
    for row in (("hr_checkpoint",), ("hr_sampler", "hr_schedule")):
        with gr.Row():
            for name in row:
                (elem_id, known), own = choices[name], name == "hr_checkpoint"
                form.add(name, dropdown(elem_id, [SAME[name], *known], SAME[name], allow_custom_value=own))
    form.add("hr_prompt", prompt_box("hires_prompt", 2))
    form.add("hr_negative", prompt_box("hires_neg_prompt", 2))


def build_method(form: Form, methods: Sequence[str] = METHODS) -> None:
    """What a size far from the model's own is reached by; "auto" chooses by the size, and says what."""
    tab = form.tab
    with accordion(f"{tab}_large"):
        form.add("method", radio(f"{tab}_method", methods, "auto"))
        advice_slot(tab, "method")
        with gr.Row(elem_classes=["numbers"]):
            form.add("window_size", number(f"{tab}_window_size", 0, minimum=0, maximum=16384, step=8))
            form.add("window_overlap", number(f"{tab}_window_overlap", 0, minimum=0, maximum=16384, step=8))
        build_regions(form)
    with accordion(f"{tab}_tiling_fold"):
        form.add("tiling", radio(f"{tab}_tiling", TILINGS, "setting"))


def hires_of(values: Values, *, first: str = "") -> Hires:
    """The second pass as the form says it, whether it is switched on or not. `first`: the picture it starts from."""
    chosen = {name: None if (values.get(name) or same) == same else values[name] for name, same in SAME.items()}
    return Hires(
        upscaler=values.get("hr_upscaler") or LATENT_MODES[0],
        scale=real(values, "hr_scale", 2.0),
        width=whole(values, "hr_resize_x", 0),
        height=whole(values, "hr_resize_y", 0),
        steps=whole(values, "hr_steps", 0),
        strength=real(values, "hr_strength", 0.7),
        first=first,
        second=HiresPass(
            positive=values.get("hr_prompt") or "",
            negative=values.get("hr_negative") or "",
            checkpoint=chosen["hr_checkpoint"],
            sampler=chosen["hr_sampler"],
            schedule=chosen["hr_schedule"],
        ),
    )
