"""txt2img: words in, pictures out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.context import Context

from modules.core.errors import EaselError
from modules.gradio_ui import paste
from modules.gradio_ui.advice import advise
from modules.gradio_ui.components import (
    accordion,
    advice_slot,
    dropdown,
    hidden_button,
    hidden_text,
    number,
    slider,
    tool_button,
)
from modules.gradio_ui.form import Form
from modules.gradio_ui.gallery import build_results
from modules.gradio_ui.model_view import checkpoint_titles, chosen_facts, follow_model, named_facts
from modules.gradio_ui.services import UiServices
from modules.gradio_ui.state import UiState
from modules.gradio_ui.tabs import Tab, tabs
from modules.gradio_ui.toprow import build_toprow, style_names
from modules.processing.requests import Generate, ModelChoice, Prompt, Refiner, Sampling, Seed, Shape
from modules.processing.samplers import samplers
from modules.processing.schedules import schedules

TAB = "txt2img"
RATIOS = ("1:1", "4:3", "3:2", "16:9", "3:4", "2:3", "9:16")
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


def build_request(values: Mapping[str, Any]) -> Generate:
    """The form's values as a request; an emptied number takes its default."""

    def whole(name: str, default: int) -> int:
        return default if values.get(name) is None else int(values[name])

    def real(name: str, default: float) -> float:
        return default if values.get(name) is None else float(values[name])

    refiner = values.get("refiner") or "None"
    return Generate(
        prompt=Prompt(
            positive=values.get("prompt") or "",
            negative=values.get("negative") or "",
            styles=tuple(values.get("styles") or ()),
        ),
        shape=Shape(
            width=whole("width", 512),
            height=whole("height", 512),
            batch_size=whole("batch_size", 1),
            batch_count=whole("batch_count", 1),
        ),
        seed=Seed(
            seed=whole("seed", -1),
            variation=whole("subseed", -1),
            variation_strength=real("subseed_strength", 0.0),
            resize_from_width=whole("seed_resize_from_w", 0),
            resize_from_height=whole("seed_resize_from_h", 0),
        ),
        sampling=Sampling(
            sampler=values.get("sampler"),
            schedule=values.get("schedule") or "Automatic",
            steps=whole("steps", 20),
            cfg_scale=real("cfg_scale", 7.0),
        ),
        model=ModelChoice(
            refiner=None if refiner == "None" else Refiner(checkpoint=refiner, switch_at=real("refiner_switch_at", 0.8))
        ),
        overrides=paste.read_overrides(values.get("overrides") or []),
    )


def filled(named: Mapping[str, Any], services: UiServices) -> dict[str, Any]:
    """The form's values, with what the model suggests where a number was emptied."""
    return {**chosen_facts(services).defaults(), **{name: value for name, value in named.items() if value is not None}}


def build(services: UiServices) -> None:
    form = Form(TAB, build_request)
    generate = build_toprow(form, services)
    with gr.Row(elem_classes=["work"]):
        with gr.Column(elem_id=f"{TAB}_settings", elem_classes=["controls"], scale=5, min_width=320):
            advice_slot(TAB, "checkpoint")
            build_size(form, services)
            build_sampling(form, services)
            build_seed(form)
            build_accordions(form, services)
            form.add(
                "overrides",
                gr.Dropdown(
                    [],
                    value=[],
                    multiselect=True,
                    allow_custom_value=True,
                    label="Override settings",
                    elem_id=f"{TAB}_override_settings",
                    elem_classes=["overrides", "full-only"],
                ),
            )
        build_results(TAB)
    wire(form, generate, services)


def build_size(form: Form, services: UiServices) -> None:
    defaults = chosen_facts(services).defaults()
    with gr.Row(elem_id=f"{TAB}_column_size", elem_classes=["numbers", "full-only"]):
        form.add("width", number(f"{TAB}_width", defaults["width"], minimum=64, maximum=2048, step=8))
        tool_button(f"{TAB}_res_switch_btn", "swap")
        form.add("height", number(f"{TAB}_height", defaults["height"], minimum=64, maximum=2048, step=8))
        form.add("batch_count", number(f"{TAB}_batch_count", 1, minimum=1, step=1))
        form.add("batch_size", number(f"{TAB}_batch_size", 1, minimum=1, maximum=8, step=1))
    buttons = "".join(f'<button type="button" data-ratio="{one}">{one}</button>' for one in RATIOS)
    gr.HTML(
        f'<div id="{TAB}_dimensions_row" class="ratios" role="group" data-t-aria="size.ratios">{buttons}</div>'
        '<div class="simple-only quality" role="group" data-t-aria="quality.label">'
        '<button type="button" data-quality="draft" data-t="quality.draft"></button>'
        '<button type="button" data-quality="balanced" data-t="quality.balanced"></button>'
        '<button type="button" data-quality="high" data-t="quality.high"></button></div>'
    )
    advice_slot(TAB, "size")


def build_sampling(form: Form, services: UiServices) -> None:
    names, defaults = samplers.names(), chosen_facts(services).defaults()
    with gr.Row(elem_id=f"sampler_selection_{TAB}", elem_classes=["full-only"]):
        first = "DPM++ 2M" if "DPM++ 2M" in names else (names[0] if names else None)
        form.add("sampler", dropdown(f"{TAB}_sampling", names, first))
        others = [name for name in schedules.names() if name != "Automatic"]
        form.add("schedule", dropdown(f"{TAB}_scheduler", ["Automatic", *others], "Automatic"))
    advice_slot(TAB, "sampler")
    with gr.Row(elem_classes=["sliders", "full-only"]):
        form.add("steps", slider(f"{TAB}_steps", 1, 150, defaults["steps"], 1))
        form.add("cfg_scale", slider(f"{TAB}_cfg_scale", 1, 30, defaults["cfg_scale"], 0.5))
    for name in ("steps", "cfg_scale"):
        advice_slot(TAB, name)


def build_seed(form: Form) -> None:
    with gr.Row(elem_id=f"{TAB}_seed_row", elem_classes=["numbers", "seed-row", "full-only"]):
        form.add("seed", number(f"{TAB}_seed", -1, minimum=-1, maximum=2**32 - 1))
        tool_button(f"{TAB}_random_seed", "dice")
        tool_button(f"{TAB}_reuse_seed", "reuse")


def build_accordions(form: Form, services: UiServices) -> None:
    with gr.Column(elem_id=f"{TAB}_accordions", elem_classes=["accordions", "full-only"]):
        with accordion(f"{TAB}_subseed_show"):
            with gr.Row(elem_classes=["numbers"]):
                form.add("subseed", number(f"{TAB}_subseed", -1, minimum=-1, maximum=2**32 - 1))
                tool_button(f"{TAB}_random_subseed", "dice")
                tool_button(f"{TAB}_reuse_subseed", "reuse")
            form.add("subseed_strength", slider(f"{TAB}_subseed_strength", 0, 1, 0, 0.01))
            with gr.Row(elem_classes=["numbers"]):
                for name in ("seed_resize_from_w", "seed_resize_from_h"):
                    form.add(name, number(f"{TAB}_{name}", 0, minimum=0, maximum=2048, step=8))
            advice_slot(TAB, "variation")
        with accordion(f"{TAB}_refiner"):
            choices = ["None", *checkpoint_titles(services)]
            form.add("refiner", dropdown(f"{TAB}_refiner_checkpoint", choices, "None", allow_custom_value=True))
            form.add("refiner_switch_at", slider(f"{TAB}_refiner_switch_at", 0.01, 1, 0.8, 0.01))
            advice_slot(TAB, "refiner")


def wire(form: Form, generate: gr.Button, services: UiServices) -> None:
    state = UiState(services.paths.data / "ui-state.json")
    client_id, reply = hidden_text(f"{TAB}_client_id"), hidden_text(f"{TAB}_reply")
    pasted, paste_button = hidden_text(f"{TAB}_pasted"), hidden_button(f"{TAB}_paste_button")
    ready, advice, recheck = hidden_text(f"{TAB}_ready"), hidden_text(f"{TAB}_advice"), hidden_button(f"{TAB}_recheck")

    def submit(values: dict[Component, Any]) -> str:
        """The job's id as JSON, or what is wrong with the request. The client's id makes a double click one job."""
        try:
            request = form.build(filled(form.named(values), services))
            services.engine.resolve(request)  # refused before it queues
            job = services.queue.submit("generate", request.to_json(), tag=TAB, id=values[client_id] or None)
            return json.dumps({"id": job.id, "client": values[client_id]})
        except EaselError as error:
            field = getattr(error, "field", "")
            return json.dumps({"error": error.message, "hint": error.hint, "field": field, "client": values[client_id]})

    def keep(values: dict[Component, Any]) -> str:
        """Keep what is typed, and say what will not work about it."""
        if values[ready] != "yes":
            return "[]"
        named = form.named(values)
        state.put(TAB, named)
        state.put("model", chosen_facts(services).defaults())
        return advice_json(services, form.build(filled(named, services)))

    def restore() -> dict[Component, Any]:
        kept = state.get(TAB)
        followed = follow_model(kept, state.get("model"), chosen_facts(services).defaults())
        return {ready: "yes", **form.updates({**kept, **followed})}

    def fill(raw: str) -> dict[Component, Any]:
        return fill_updates(form, services, json.loads(raw.split("\n", 1)[-1] or "{}"))

    generate.click(submit, inputs={client_id, *form.inputs}, outputs=[reply], concurrency_limit=None, **QUIET).then(
        None, inputs=[reply], outputs=None, js="(reply) => { easelSubmitted('txt2img', reply); return []; }"
    )
    paste_button.click(fill, inputs=[pasted], outputs=list(form.inputs), concurrency_limit=None, **QUIET)
    changes = [one.change for one in form.controls.values()]  # type: ignore[attr-defined]
    gr.on(
        [*changes, ready.change, recheck.click],
        keep,
        inputs={ready, *form.inputs},
        outputs=[advice],
        trigger_mode="always_last",
        concurrency_limit=None,
        **QUIET,
    ).then(None, inputs=[advice], outputs=None, js="(raw) => { easelAdvised('txt2img', raw); return []; }")
    blocks = Context.root_block
    if blocks is not None:
        blocks.load(restore, inputs=None, outputs=[ready, *form.inputs], **QUIET)


def advice_json(services: UiServices, request: Generate) -> str:
    refiner = request.model.refiner
    found = named_facts(services, refiner.checkpoint) if refiner else None
    return json.dumps([dataclasses.asdict(one) for one in advise(request, chosen_facts(services), found)])


def fill_updates(form: Form, services: UiServices, wish: Mapping[str, Any]) -> dict[Component, Any]:
    """{"fields", "whole"}: a paper or some of it; {"values"} by control; {"styles"}, {"models"}: a list changed."""
    values = dict(wish.get("values") or {})
    if "fields" in wish:
        values.update(paste.paste_values(wish["fields"], services.settings, whole=bool(wish.get("whole"))))
    updates = form.updates(values)
    if wish.get("styles"):
        updates[form.controls["styles"]] = gr.update(choices=style_names(services))
    if wish.get("models"):
        updates[form.controls["refiner"]] = gr.update(choices=["None", *checkpoint_titles(services)])
    return updates


tabs.add(TAB, Tab(TAB, 10, build))
