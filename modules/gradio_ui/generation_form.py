"""The controls that every tab that makes pictures has; ids begin with the tab's name."""

from __future__ import annotations

import gradio as gr

from modules.gradio_ui.components import accordion, advice_slot, dropdown, label, number, slider, tool_button
from modules.gradio_ui.form import Form
from modules.gradio_ui.model_view import checkpoint_titles, chosen_facts
from modules.gradio_ui.services import UiServices
from modules.processing.samplers import samplers
from modules.processing.schedules import schedules

RATIOS = ("1:1", "4:3", "3:2", "16:9", "3:4", "2:3", "9:16")


def build_browser(form: Form) -> None:
    """Where assets/cards.js puts the extra-networks browser; while it is open, the other controls are out of sight."""
    gr.HTML(f'<div id="{form.tab}_extra_tabs" class="extra-networks full-only"></div>')


def build_size(form: Form, services: UiServices, *, detect: bool = False) -> None:
    """Width and height, their named ratios, and the qualities of the simple mode.

    `detect`: the size can be that of the picture, and the batch stands elsewhere.
    """
    tab, defaults = form.tab, chosen_facts(services).defaults()
    with gr.Row(elem_id=f"{tab}_column_size", elem_classes=["numbers", "full-only"]):
        form.add("width", number(f"{tab}_width", defaults["width"], minimum=64, maximum=16384, step=8))
        tool_button(f"{tab}_res_switch_btn", "swap")
        form.add("height", number(f"{tab}_height", defaults["height"], minimum=64, maximum=16384, step=8))
        if detect:
            tool_button(f"{tab}_detect_image_size_btn", "measure")
        else:
            build_batch(form)
    buttons = "".join(f'<button type="button" data-ratio="{one}">{one}</button>' for one in RATIOS)
    gr.HTML(
        f'<div id="{tab}_dimensions_row" class="ratios" role="group" data-t-aria="size.ratios">{buttons}</div>'
        '<div class="simple-only quality" role="group" data-t-aria="quality.label">'
        '<button type="button" data-quality="draft" data-t="quality.draft"></button>'
        '<button type="button" data-quality="balanced" data-t="quality.balanced"></button>'
        '<button type="button" data-quality="high" data-t="quality.high"></button></div>'
    )
    advice_slot(tab, "size")


def build_batch(form: Form) -> None:
    form.add("batch_count", number(f"{form.tab}_batch_count", 1, minimum=1, step=1))
    form.add("batch_size", number(f"{form.tab}_batch_size", 1, minimum=1, maximum=8, step=1))


def build_sampling(form: Form, services: UiServices) -> None:
    tab, names, defaults = form.tab, samplers.names(), chosen_facts(services).defaults()
    with gr.Row(elem_id=f"sampler_selection_{tab}", elem_classes=["full-only"]):
        first = "DPM++ 2M" if "DPM++ 2M" in names else (names[0] if names else None)
        form.add("sampler", dropdown(f"{tab}_sampling", names, first))
        others = [name for name in schedules.names() if name != "Automatic"]
        form.add("schedule", dropdown(f"{tab}_scheduler", ["Automatic", *others], "Automatic"))
    advice_slot(tab, "sampler")
    with gr.Row(elem_classes=["sliders", "full-only"]):
        form.add("steps", slider(f"{tab}_steps", 1, 150, defaults["steps"], 1))
        form.add("cfg_scale", slider(f"{tab}_cfg_scale", 1, 30, defaults["cfg_scale"], 0.5))
    for name in ("steps", "cfg_scale"):
        advice_slot(tab, name)


def build_seed(form: Form) -> None:
    tab = form.tab
    with gr.Row(elem_id=f"{tab}_seed_row", elem_classes=["numbers", "seed-row", "full-only"]):
        form.add("seed", number(f"{tab}_seed", -1, minimum=-1, maximum=2**32 - 1))
        tool_button(f"{tab}_random_seed", "dice")
        tool_button(f"{tab}_reuse_seed", "reuse")


def build_variation(form: Form) -> None:
    tab = form.tab
    with accordion(f"{tab}_subseed_show"):
        with gr.Row(elem_classes=["numbers"]):
            form.add("subseed", number(f"{tab}_subseed", -1, minimum=-1, maximum=2**32 - 1))
            tool_button(f"{tab}_random_subseed", "dice")
            tool_button(f"{tab}_reuse_subseed", "reuse")
        form.add("subseed_strength", slider(f"{tab}_subseed_strength", 0, 1, 0, 0.01))
        with gr.Row(elem_classes=["numbers"]):
            for name in ("seed_resize_from_w", "seed_resize_from_h"):
                form.add(name, number(f"{tab}_{name}", 0, minimum=0, maximum=16384, step=8))
        advice_slot(tab, "variation")


def build_refiner(form: Form, services: UiServices) -> None:
    tab = form.tab
    with accordion(f"{tab}_refiner"):
        choices = ["None", *checkpoint_titles(services)]
        form.add("refiner", dropdown(f"{tab}_refiner_checkpoint", choices, "None", allow_custom_value=True))
        form.add("refiner_switch_at", slider(f"{tab}_refiner_switch_at", 0.01, 1, 0.8, 0.01))
        advice_slot(tab, "refiner")


def build_overrides(form: Form) -> None:
    """Settings for these pictures only, from a pasted paper; seen when there is one."""
    name = f"{form.tab}_override_settings"
    form.add(
        "overrides",
        gr.Dropdown(
            [],
            value=[],
            multiselect=True,
            allow_custom_value=True,
            label=label(name),
            elem_id=name,
            elem_classes=["overrides", "full-only"],
        ),
    )
