"""The Script box: which script makes the pictures, and its controls, built from what the script says of them.

All controls of all scripts stay in the page, so that nothing typed is lost; assets/scripts.js shows the chosen one's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

import gradio as gr
from gradio.components import Component

from modules.gradio_ui.components import label
from modules.gradio_ui.form import Form
from modules.gradio_ui.services import UiServices
from modules.gradio_ui.tabs import tabs
from modules.gradio_ui.texts import table
from modules.processing.requests import JsonValue, ScriptCall
from modules.processing.scripts import Argument, Script, scripts
from modules.processing.scripts.script import Tab

NONE = "None"
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


def slug(title: str) -> str:
    """A title as A1111 writes it in ids: xyz_plot."""
    return re.sub(r"[^a-z_0-9]", "", title.lower().replace(" ", "_"))


def control_id(tab: str, script: Script, argument: Argument) -> str:
    return f"script_{tab}_{slug(script.title)}_{argument.name}"


def value_name(script: Script, argument: Argument) -> str:
    """The name of an argument's value in a form."""
    return f"script/{slug(script.title)}/{argument.name}"


def build_script_box(form: Form[Any], tab: Tab, services: UiServices) -> None:
    """The list of scripts and every script's controls. `script_of` reads what they say."""
    mine = [one for one in scripts if tab in one.tabs]
    with gr.Column(elem_id=f"{tab}_script_container", elem_classes=["script-box", "full-only"]):
        chosen = gr.Dropdown(
            [NONE, *(one.title for one in mine)], value=NONE, label=label("script_list"), elem_id="script_list"
        )
        form.add("script", chosen)
        for script in mine:
            with gr.Column(elem_id=f"script_{tab}_{slug(script.title)}", elem_classes=["script"]):
                gr.HTML(f'<p class="quiet" data-t="script_about.{slug(script.title)}"></p>')
                built = {one.name: _build(one, script, tab, services) for one in script.arguments}
            for argument in script.arguments:
                control = built[argument.name]
                if control is not None:
                    form.add(value_name(script, argument), control)
                if argument.follows and control is not None:
                    _follow(argument, control, built[argument.follows[0]], services)
    chosen.change(None, inputs=[chosen], outputs=None, js=f"(title) => {{ showScript('{tab}', title); return []; }}")


def _build(argument: Argument, script: Script, tab: Tab, services: UiServices) -> Component | None:
    elem_id = control_id(tab, script, argument)
    common: dict[str, Any] = {"label": argument.label, "elem_id": elem_id}
    choices: Any = argument.options(services.engine, tab)
    limits = {"minimum": argument.minimum, "maximum": argument.maximum, "step": argument.step or 1}
    default: Any = argument.default
    match argument.kind:
        case "note":
            return None
        case "text":
            return gr.Textbox(default, lines=1, max_lines=4, **common)
        case "multiline":
            return gr.Textbox(default, lines=3, max_lines=24, elem_classes=["wide"], **common)
        case "file":
            box = gr.Textbox(default, lines=3, max_lines=24, elem_classes=["wide"], **common)
            gr.HTML(
                f'<label class="tool-like read-file"><input type="file" data-fills="{elem_id}" accept=".txt,text/*">'
                '<span data-t="script.read_file"></span></label>'
            )
            return box
        case "number":
            return gr.Number(default, precision=0 if isinstance(default, int) else None, **limits, **common)
        case "slider":
            return gr.Slider(value=default, buttons=[], **cast(Any, limits), **common)
        case "choice":
            return gr.Dropdown(choices, value=default if default in choices else (choices or [None])[0], **common)
        case "several":
            if argument.follows is not None:
                common |= {"allow_custom_value": True, "visible": "hidden"}  # nothing is offered yet
            return gr.Dropdown(choices, value=default, multiselect=True, elem_classes=["wide"], **common)
        case "checkbox":
            return gr.Checkbox(default, **common)


def _follow(argument: Argument, control: Component, leader: Component | None, services: UiServices) -> None:
    """Offer what the other argument's value allows; what was picked stays where it still can."""
    assert argument.follows is not None
    assert leader is not None
    offers = argument.follows[1]

    def offer(value: JsonValue, picked: list[str] | None) -> Any:
        choices = list(offers(services.engine, value))
        kept = [one for one in picked or [] if one in choices]
        return gr.update(choices=choices, value=kept, visible=True if choices else "hidden")

    leader.change(offer, inputs=[leader, control], outputs=[control], concurrency_limit=None, **QUIET)  # type: ignore[attr-defined]


def script_of(values: Mapping[str, Any]) -> ScriptCall | None:
    """What the box says; None while no script is chosen. An emptied number takes its default."""
    title = values.get("script") or NONE
    if title == NONE:
        return None
    script = scripts.get(title)
    said = {one.name: values.get(value_name(script, one)) for one in script.arguments}
    return ScriptCall(name=script.title, arguments={name: value for name, value in said.items() if value is not None})


def script_values(call: ScriptCall | None) -> dict[str, Any]:
    """The other way: the form's values for a call, as a pasted paper has it."""
    if call is None or call.name not in scripts:
        return {"script": NONE}
    script = scripts.get(call.name)
    given = [one for one in script.arguments if one.name in call.arguments]
    return {"script": script.title, **{value_name(script, one): call.arguments[one.name] for one in given}}


def script_words(language: str) -> dict[str, str]:
    """What all scripts do, and labels and tips of their controls, as keys of the page's table."""
    own = {} if language == "en" else table(language)
    found: dict[str, str] = {}
    for script in scripts:
        name = slug(script.title)
        found[f"script_about.{name}"] = own.get(f"script_about.{name}", script.about)
        for one in (one for one in script.arguments if one.kind != "note"):
            for tab in (one for one in script.tabs if one in tabs):
                elem_id = control_id(tab, script, one)
                found[f"label.{elem_id}"] = own.get(f"argument.{name}.{one.name}", one.label)
                found[f"tip.{elem_id}"] = own.get(f"argument_hint.{name}.{one.name}", one.hint)
    return found
