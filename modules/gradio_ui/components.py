"""The page's own small components, on Gradio's; labels come from the text table by element id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from modules.gradio_ui.texts import control_text, text

# Gradio answers 500 to a number out of range; let through, the request's own check says in a sentence what is wrong
gr.Number.raise_if_out_of_bounds = staticmethod(lambda num, minimum, maximum: None)


def label(elem_id: str) -> str:
    return control_text("label", elem_id)


def tool_button(elem_id: str, icon: str, **more: Any) -> gr.Button:
    """A square button; the page draws `icon` (assets/icons.js) and sets label and tooltip from the table."""
    return gr.Button("", elem_id=elem_id, elem_classes=["tool", f"icon-{icon}"], min_width=36, scale=0, **more)


def slider(elem_id: str, low: float, high: float, value: float, step: float) -> gr.Slider:
    return gr.Slider(low, high, value=value, step=step, label=label(elem_id), elem_id=elem_id, buttons=[])


def number(elem_id: str, value: float, **limits: Any) -> gr.Number:
    return gr.Number(value=value, precision=0, label=label(elem_id), elem_id=elem_id, min_width=72, **limits)


def dropdown(elem_id: str, choices: list[str], value: Any, **more: Any) -> gr.Dropdown:
    return gr.Dropdown(choices, value=value, label=label(elem_id), elem_id=elem_id, min_width=120, **more)


def textbox(elem_id: str, value: str = "", **more: Any) -> gr.Textbox:
    return gr.Textbox(value, label=label(elem_id), elem_id=elem_id, max_lines=1, **more)


def checkbox(elem_id: str, value: bool = False, **more: Any) -> gr.Checkbox:
    return gr.Checkbox(value, label=label(elem_id), elem_id=elem_id, **more)


def radio(elem_id: str, values: Sequence[str], value: str, **more: Any) -> gr.Radio:
    """One of a few; the words of each are `choice.<value>` in the table, whatever asks."""
    choices = [(text(f"choice.{one}"), one) for one in values]
    return gr.Radio(choices, value=value, label=label(elem_id), elem_id=elem_id, **more)


def accordion(elem_id: str) -> gr.Accordion:
    """Closed, with its children in the page all the same (`open=0` is what Gradio 6 takes for that)."""
    return gr.Accordion(label(elem_id), open=0, elem_id=elem_id, elem_classes=["input-accordion"])  # type: ignore[arg-type]


def switched(elem_id: str, switch: str) -> tuple[gr.Accordion, gr.Checkbox]:
    """An accordion whose head has a tick, and the checkbox `switch` behind it, both to be entered by the caller.

    assets/accordions.js draws the tick; unfolding switches it on, as in A1111.
    """
    made = gr.Accordion(
        label(elem_id),
        open=0,  # type: ignore[arg-type]
        elem_id=elem_id,
        elem_classes=["input-accordion", "switched"],
    )
    with made:
        tick = checkbox(switch, elem_classes=["switch"], visible="hidden")
    return made, tick


def nav(root: str, panels: Mapping[str, str]) -> None:
    """Tabs that show one of several panels; assets/img2img.js writes the chosen one into the form."""
    buttons = "".join(
        f'<button type="button" role="tab" aria-controls="{panel}" data-panel="{panel}" data-value="{value}"'
        f' data-t="panel.{panel}"></button>'
        for value, panel in panels.items()
    )
    gr.HTML(f'<div class="tab-nav" role="tablist" data-nav="{root}" data-t-aria="nav.{root}">{buttons}</div>')


def hidden_text(elem_id: str) -> gr.Textbox:
    """In the page but not seen: how scripts hand values to Python and back."""
    return gr.Textbox("", elem_id=elem_id, visible="hidden", show_label=False)


def hidden_button(elem_id: str) -> gr.Button:
    return gr.Button("", elem_id=elem_id, visible="hidden")


def prompt_box(elem_id: str, lines: int) -> gr.Textbox:
    return gr.Textbox(
        label=label(elem_id),
        elem_id=elem_id,
        elem_classes=["prompt"],
        lines=lines,
        max_lines=24,
        show_label=False,
        placeholder=control_text("placeholder", elem_id),
        html_attributes=gr.InputHTMLAttributes(spellcheck=False),
    )


def advice_slot(tab: str, control: str) -> gr.HTML:
    """Where advice about a control is told (assets/advice.js); takes no room while there is none."""
    return gr.HTML(
        f'<div id="{tab}_advice_{control}" class="advice" data-advice="{control}" role="status"></div>',
        elem_classes=["advice-slot"],
    )
