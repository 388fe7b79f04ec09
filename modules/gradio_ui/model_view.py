"""The catalog and the engine's state as the page shows them. A folder without models must not stop the page."""

from __future__ import annotations

import dataclasses
from typing import Any

from modules.core.errors import EaselError
from modules.gradio_ui.services import UiServices
from modules.processing.models.catalog import model_notes


def checkpoint_titles(services: UiServices) -> list[str]:
    return [one.title for one in services.engine.catalog.checkpoints()]


def about_model(services: UiServices) -> dict[str, Any]:
    """The notes beside the chosen checkpoint: native_size, examples, ...; nothing when there is no checkpoint."""
    try:
        return model_notes(services.engine.catalog.default(services.settings))
    except (EaselError, OSError, ValueError):
        return {}


def native_size(services: UiServices) -> int:
    """Pixels of a side that the chosen model was trained at; 512 when nothing says so."""
    value = about_model(services).get("native_size", 512)
    return value if isinstance(value, int) and 64 <= value <= 2048 else 512


def example_prompts(services: UiServices) -> list[str]:
    found = about_model(services).get("examples")
    return [one for one in found if isinstance(one, str)][:3] if isinstance(found, list) else []


def status_json(services: UiServices) -> dict[str, Any]:
    """Everything in the chips: model, device, memory, queue."""
    return {
        "engine": dataclasses.asdict(services.engine.status()),
        "queue": dict(services.queue.counts()),
        "native_size": native_size(services),
        "examples": example_prompts(services),
    }
