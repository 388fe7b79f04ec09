"""What happens in a tab that makes pictures: submit, keep what is typed, restore it, fill it from a paper."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.context import Context

from modules.core.errors import EaselError
from modules.gradio_ui import feeding, paste
from modules.gradio_ui.advice import advise
from modules.gradio_ui.components import hidden_button, hidden_text
from modules.gradio_ui.form import Form
from modules.gradio_ui.model_view import checkpoint_titles, chosen_facts, follow_model, named_facts
from modules.gradio_ui.owner import is_owner
from modules.gradio_ui.services import UiServices
from modules.gradio_ui.toprow import style_names
from modules.processing.networks.wishes import network_troubles
from modules.processing.requests import Generate
from modules.processing.resolve_embeddings import left_out

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
# (values by control, what the form says, whether the owner of this machine asks) -> (requests, what to tell)
Make = Callable[[Mapping[str, Any], Generate, bool], tuple[Iterator[Generate], str]]


def just_that(values: Mapping[str, Any], request: Generate, owner: bool) -> tuple[Iterator[Generate], str]:
    return iter([request]), ""


def filled(named: Mapping[str, Any], services: UiServices) -> dict[str, Any]:
    """The form's values, with what the model suggests where a number was emptied."""
    return {**chosen_facts(services).defaults(), **{name: value for name, value in named.items() if value is not None}}


@dataclass(frozen=True)
class Events:
    """`client_id`: one for each press, so that a double click makes one job. `reply`: what came of it, as JSON."""

    client_id: gr.Textbox
    reply: gr.Textbox


def wire(form: Form[Generate], generate: gr.Button, services: UiServices, make: Make = just_that) -> Events:
    tab, state = form.tab, services.state
    pasted, paste_button = hidden_text(f"{tab}_pasted"), hidden_button(f"{tab}_paste_button")
    ready, advice, recheck = hidden_text(f"{tab}_ready"), hidden_text(f"{tab}_advice"), hidden_button(f"{tab}_recheck")

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
        return {ready: "yes", **form.updates(form.changed({**kept, **followed}))}

    def fill(raw: str) -> dict[Component, Any]:
        return fill_updates(form, services, json.loads(raw.split("\n", 1)[-1] or "{}"))

    events = Events(hidden_text(f"{tab}_client_id"), hidden_text(f"{tab}_reply"))
    submit_on(generate, form, services, make, events)
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
    return events


def submit_on(
    button: gr.Button,
    form: Form[Generate],
    services: UiServices,
    make: Make,
    events: Events,
    more: Mapping[str, Component] | None = None,
) -> None:
    """A press of the button hands the form in, and the values of `more` with it."""
    tab, extra = form.tab, dict(more or {})

    def submit(values: dict[Component, Any], asked: gr.Request) -> str:
        client = values[events.client_id]
        try:
            named = filled(form.named(values), services)
            named |= {name: values[one] for name, one in extra.items()}
            requests, note = make(named, form.build(named), asked.request is not None and is_owner(asked.request))
            job = feeding.submit(services, requests, tab, client or None)
            return json.dumps({"id": job.id, "client": client, "note": note})
        except EaselError as error:
            field = getattr(error, "field", "")
            return json.dumps({"error": error.message, "hint": error.hint, "field": field, "client": client})

    inputs = {events.client_id, *form.inputs, *extra.values()}
    button.click(submit, inputs=inputs, outputs=[events.reply], concurrency_limit=None, **QUIET).then(
        None, inputs=[events.reply], outputs=None, js=f"(reply) => {{ easelSubmitted('{tab}', reply); return []; }}"
    )


def advice_json(services: UiServices, request: Generate) -> str:
    refiner = request.model.refiner
    found = named_facts(services, refiner.checkpoint) if refiner else None
    told = advise(request, chosen_facts(services), found, trouble=prompt_trouble(services, request))
    return json.dumps([dataclasses.asdict(one) for one in told])


def prompt_trouble(services: UiServices, request: Generate) -> list[str]:
    """Networks that would be refused and embeddings that would be left out."""
    engine, prompt = services.engine, request.prompt
    try:
        checkpoint = engine.catalog.default(services.settings)
    except EaselError:
        return []
    embeddings = left_out({prompt.positive, prompt.negative}, checkpoint, engine.embeddings.files())
    return [*network_troubles(prompt.positive, checkpoint, engine.networks), *embeddings]


def fill_updates(form: Form[Generate], services: UiServices, wish: Mapping[str, Any]) -> dict[Component, Any]:
    """{"fields", "whole"}: a paper or some of it; {"values"} by control; {"styles"}, {"models"}: a list changed."""
    values: dict[str, Any] = {}
    if "fields" in wish:
        values.update(paste.paste_values(wish["fields"], services.settings, whole=bool(wish.get("whole"))))
    updates = form.updates({**values, **(wish.get("values") or {})})
    if wish.get("styles"):
        updates[form.controls["styles"]] = gr.update(choices=style_names(services))
    if wish.get("models"):
        updates[form.controls["refiner"]] = gr.update(choices=["None", *checkpoint_titles(services)])
    return updates
