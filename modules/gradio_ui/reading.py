"""Reading what the page sends: JSON, and a dropped picture with everything it says about itself."""

from __future__ import annotations

import json
from typing import Any

from modules.core.errors import EaselError
from modules.imaging.foreign import read_any
from modules.imaging.infotext import parse_infotext
from modules.imaging.metadata import open_image

MAX_ITEM = 200_000


def read_json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError as error:
        raise EaselError("The request is not JSON.") from error
    if not isinstance(found, dict):
        raise EaselError("The request is not a JSON object.")
    return found


def read_upload(data: bytes) -> dict[str, Any]:
    """{"infotext", "fields", "items", "picture", "foreign"}; UserError when the bytes are no picture.

    "foreign": the program whose metadata was converted, and what of it was not understood.
    """
    with open_image(data) as picture:
        infotext, items, found = read_any(picture)
        size = f"{picture.width} x {picture.height} {picture.format or ''}".strip()
    shown = {str(key): str(value)[:MAX_ITEM] for key, value in items.items()}
    foreign = {"program": found.program, "unknown": list(found.unknown)} if found else None
    fields = parse_infotext(infotext)
    return {"infotext": infotext, "fields": fields, "items": shown, "picture": size, "foreign": foreign}
