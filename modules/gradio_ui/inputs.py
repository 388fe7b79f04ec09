"""Pictures that the page hands in to be worked on: kept in the engine's store, told by reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modules.gradio_ui.services import UiServices
from modules.imaging.metadata import open_image


def keep_picture(services: UiServices, source: bytes | Path, name: str) -> dict[str, Any]:
    """{"reference", "name", "width", "height"}; UserError when it is no picture."""
    store = services.engine.inputs
    reference = store.put(open_image(source))
    with store.open(reference) as kept:  # upright, which the file may not be
        width, height = kept.size
    return {"reference": reference, "name": Path(name).name, "width": width, "height": height}
