"""The catalog and the engine's state as the page shows them. A folder without models must not stop the page."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from modules.core.errors import EaselError
from modules.gradio_ui.services import UiServices
from modules.processing.models.facts import ModelFacts, model_facts


def checkpoint_titles(services: UiServices) -> list[str]:
    return [one.title for one in services.engine.catalog.checkpoints()]


def broken_titles(services: UiServices) -> list[str]:
    """Of checkpoints that are found and cannot be loaded."""
    return [one.title for one in services.engine.catalog.checkpoints() if one.broken]


def chosen_facts(services: UiServices) -> ModelFacts:
    """Of the checkpoint that the next picture is made with; those of a plain model when there is none."""
    try:
        return model_facts(services.engine.catalog.default(services.settings))
    except EaselError:
        return ModelFacts()


def chosen_variant(services: UiServices) -> str:
    """What an inpainting or editing model is called, or "" for a plain model and for none."""
    try:
        return services.engine.catalog.default(services.settings).variant
    except EaselError:
        return ""


def named_facts(services: UiServices, name: str) -> ModelFacts | None:
    try:
        return model_facts(services.engine.catalog.find_checkpoint(name))
    except EaselError:
        return None  # refused by name when it is asked for


def follow_model(
    values: Mapping[str, Any], before: Mapping[str, Any], now: Mapping[str, int | float]
) -> dict[str, int | float]:
    """The defaults of another model, for the controls that still show those of the model before."""
    return {name: one for name, one in now.items() if name not in values or values[name] == before.get(name)}


def status_json(services: UiServices) -> dict[str, Any]:
    """Everything in the chips: model, device, memory, queue."""
    facts = chosen_facts(services)
    return {
        "engine": dataclasses.asdict(services.engine.status()),
        "queue": dict(services.queue.counts()),
        "model": {
            "title": facts.title,
            "family": facts.family,
            "native_size": facts.native_size,
            "few_step": facts.few_step,
            "edits": chosen_variant(services) == "pix2pix",
            "defaults": facts.defaults(),
            "examples": facts.examples[:3],
        },
    }
