"""Prompt, negative prompt, styles; Generate, Interrupt, Skip and the small tools beside them."""

from __future__ import annotations

import gradio as gr

from modules.gradio_ui.components import advice_slot, dropdown, label, prompt_box, tool_button
from modules.gradio_ui.form import Form
from modules.gradio_ui.services import UiServices


def counter(box: str) -> str:
    """Tokens of one prompt box, filled in by assets/prompt.js; a click counts again."""
    token = "token" if not box.endswith("neg_prompt") else "negative_token"
    tab = box.split("_")[0]
    return (
        f'<div class="prompt-notes"><span class="brackets" data-brackets="{box}" role="status"></span>'
        f'<button type="button" id="{tab}_{token}_counter" class="counter" data-counter="{box}">0/75</button></div>'
    )


def build_toprow(form: Form, services: UiServices) -> gr.Button:
    """Adds prompt, negative and styles to the form; returns the Generate button."""
    tab = form.tab
    with gr.Row(elem_id=f"{tab}_toprow", elem_classes=["toprow"]):
        with gr.Column(elem_id=f"{tab}_prompt_container", elem_classes=["prompts"], scale=6, min_width=280):
            with gr.Row(elem_id=f"{tab}_prompt_row", elem_classes=["prompt-row"]):
                form.add("prompt", prompt_box(f"{tab}_prompt", 3))
                gr.HTML(counter(f"{tab}_prompt"))
            with gr.Row(elem_id=f"{tab}_neg_prompt_row", elem_classes=["prompt-row", "full-only"]):
                form.add("negative", prompt_box(f"{tab}_neg_prompt", 2))
                gr.HTML(counter(f"{tab}_neg_prompt"))
            with gr.Row(elem_id=f"{tab}_styles_row", elem_classes=["styles-row", "full-only"]):
                form.add(
                    "styles",
                    dropdown(f"{tab}_styles", style_names(services), [], multiselect=True, allow_custom_value=True),
                )
                tool_button(f"{tab}_styles_edit_button", "edit")
            for control in ("prompt", "negative"):
                advice_slot(tab, control)
        with gr.Column(elem_id=f"{tab}_actions_column", elem_classes=["actions"], scale=1, min_width=220):
            generate = build_actions(tab)
            with gr.Row(elem_id=f"{tab}_tools", elem_classes=["tools", "full-only"]):
                tool_button("paste", "paste")
                tool_button(f"{tab}_clear_prompt", "clear")
                tool_button(f"{tab}_style_apply", "apply")
                gr.HTML('<button type="button" class="tool-like" data-action="keys" data-icon="keys"></button>')
    return generate


def build_actions(tab: str) -> gr.Button:
    """Generate, Interrupt and Skip; returns the first."""
    with gr.Row(elem_id=f"{tab}_generate_box", elem_classes=["generate-box"]):
        generate = gr.Button(label(f"{tab}_generate"), elem_id=f"{tab}_generate", variant="primary")
    with gr.Row(elem_classes=["stop-box"]):
        gr.Button(label(f"{tab}_interrupt"), elem_id=f"{tab}_interrupt", min_width=80)
        gr.Button(label(f"{tab}_skip"), elem_id=f"{tab}_skip", min_width=80)
    return generate


def style_names(services: UiServices) -> list[str]:
    return list(services.engine.styles.names())
