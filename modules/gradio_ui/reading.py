"""Reading a dropped picture: its infotext, parsed, and every other thing it says about itself."""

from __future__ import annotations

import io
from typing import Any

from modules.core.errors import UserError

MAX_ITEM = 200_000


def read_upload(data: bytes) -> dict[str, Any]:
    """{"infotext", "fields", "items"}; UserError when the bytes are no picture."""
    from PIL import Image, UnidentifiedImageError

    from modules.imaging.infotext import parse_infotext
    from modules.imaging.metadata import read_metadata

    try:
        with Image.open(io.BytesIO(data)) as picture:
            infotext, items = read_metadata(picture)
            size = f"{picture.width} x {picture.height} {picture.format}"
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise UserError("This file is not a picture that can be read.", hint="PNG, JPEG, WEBP, AVIF work.") from error
    shown = {str(key): str(value)[:MAX_ITEM] for key, value in items.items()}
    return {"infotext": infotext or "", "fields": parse_infotext(infotext or ""), "items": shown, "picture": size}
