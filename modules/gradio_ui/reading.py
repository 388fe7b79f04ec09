"""Reading a dropped picture: its infotext, parsed, and every other thing it says about itself."""

from __future__ import annotations

from typing import Any

from modules.imaging.infotext import parse_infotext
from modules.imaging.metadata import open_image, read_metadata

MAX_ITEM = 200_000


def read_upload(data: bytes) -> dict[str, Any]:
    """{"infotext", "fields", "items"}; UserError when the bytes are no picture."""
    with open_image(data) as picture:
        infotext, items = read_metadata(picture)
        size = f"{picture.width} x {picture.height} {picture.format or ''}".strip()
    shown = {str(key): str(value)[:MAX_ITEM] for key, value in items.items()}
    return {"infotext": infotext or "", "fields": parse_infotext(infotext or ""), "items": shown, "picture": size}
