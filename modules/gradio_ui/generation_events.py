"""What happens in a tab that makes pictures: submit, keep what is typed, restore it, fill it from a paper."""

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
from modules.gradio_ui.components import hidden_button, hidden_text
from modules.gradio_ui.form import Form
from modules.gradio_ui.model_view import checkpoint_titles, chosen_facts, follow_model, named_facts
from modules.gradio_ui.services import UiServices
from modules.gradio_ui.toprow import style_names
from modules.processing.requests import Generate

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


def filled(named: Mapping[str, Any], services: UiServices) -> dict[str, Any]:
    """The form's values, with what the model suggests where a number was emptied."""
    return {**chosen_facts(services).defaults(), **{name: value for name, value in named.items() if value is not None}}


def wire(form: Form[Generate], generate: gr.Button, services: UiServices) -> None:
    tab, state = form.tab, services.state
    client_id, reply = hidden_text(f"{tab}_client_id"), hidden_text(f"{tab}_reply")
    pasted, paste_button = hidden_text(f"{tab}_pasted"), hidden_button(f"{tab}_paste_button")
    ready, advice, recheck = hidden_text(f"{tab}_ready"), hidden_text(f"{tab}_advice"), hidden_button(f"{tab}_recheck")

    def submit(values: dict[Component, Any]) -> str:
        """The job's id as JSON, or what is wrong with the request. The client's id makes a double click one job."""
        try:
            request = form.build(filled(form.named(values), services))
            services.engine.resolve(request)  # refused before it queues
            job = services.queue.submit("generate", request.to_json(), tag=tab, id=values[client_id] or None)
            return json.dumps({"id": job.id, "client": values[client_id]})
        except EaselError as error:
            field = getattr(error, "field", "")
            return json.dumps({"error": error.message, "hint": error.hint, "field": field, "client": values[client_id]})

    def keep(values: dict[Component, Any]) -> str:
        """Keep what is typed, and say what will not work about it."""
        if values[ready] != "yes":
            return "[]"
        named = form.named(values)
        state.put(tab, named)
        state.put(f"{tab}/model", chosen_facts(services).defaults())
        return advice_json(services, form.build(filled(named, services)))

    def restore() -> dict[Component, Any]:
        kept = state.get(tab)
        followed = follow_model(kept, state.get(f"{tab}/model"), chosen_facts(services).defaults())
        return {ready: "yes", **form.updates({**kept, **followed})}

    def fill(raw: str) -> dict[Component, Any]:
        return fill_updates(form, services, json.loads(raw.split("\n", 1)[-1] or "{}"))

    generate.click(submit, inputs={client_id, *form.inputs}, outputs=[reply], concurrency_limit=None, **QUIET).then(
        None, inputs=[reply], outputs=None, js=f"(reply) => {{ easelSubmitted('{tab}', reply); return []; }}"
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
    ).then(None, inputs=[advice], outputs=None, js=f"(raw) => {{ easelAdvised('{tab}', raw); return []; }}")
    blocks = Context.root_block
    if blocks is not None:
        blocks.load(restore, inputs=None, outputs=[ready, *form.inputs], **QUIET)


def advice_json(services: UiServices, request: Generate) -> str:
    refiner = request.model.refiner
    found = named_facts(services, refiner.checkpoint) if refiner else None
    return json.dumps([dataclasses.asdict(one) for one in advise(request, chosen_facts(services), found)])


def fill_updates(form: Form[Generate], services: UiServices, wish: Mapping[str, Any]) -> dict[Component, Any]:
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
