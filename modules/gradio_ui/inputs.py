"""Pictures that the page hands in to be worked on: kept in the engine's store, told by reference."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from modules.gradio_ui.services import UiServices
from modules.imaging.inputs import LIMIT_MB, PREFIX
from modules.imaging.metadata import open_image, read_metadata

_REFERENCE = re.compile(rf"{PREFIX}[0-9a-f]{{64}}")


def keep_picture(services: UiServices, source: bytes | Path, name: str) -> dict[str, Any]:
    """{"reference", "name", "width", "height", "texts"}; texts: what the file says, by name, "parameters" among it.

    UserError when it is no picture.
    """
    image = open_image(source)
    _, texts = read_metadata(image)
    store = services.engine.inputs
    reference = store.put(image)
    store.prune(services.settings[LIMIT_MB] * 1024 * 1024, keep=waited_for(services) | {reference})
    with store.open(reference) as kept:  # upright, which the file may not be
        width, height = kept.size
    return {"reference": reference, "name": Path(name).name, "width": width, "height": height, "texts": texts}


def waited_for(services: UiServices) -> frozenset[str]:
    """References in jobs that are not over yet."""
    waiting = [one for one in services.queue.list() if one.state in ("queued", "running")]
    return frozenset(found for one in waiting for found in _REFERENCE.findall(json.dumps(dict(one.request))))
