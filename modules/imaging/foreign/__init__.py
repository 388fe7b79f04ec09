"""What other programs write into their pictures, told in the fields of our infotext as far as it goes."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from PIL import Image

from modules.core.registry import import_folder
from modules.imaging.foreign.foreign import Foreign, readers
from modules.imaging.infotext import parse_infotext
from modules.imaging.metadata import read_metadata

__all__ = ["Foreign", "read_any", "read_foreign", "readers"]

log = logging.getLogger(__name__)

import_folder("modules.imaging.foreign")


def read_any(image: Image.Image) -> tuple[str, dict[str, str], Foreign | None]:
    """The infotext (converted where another program made the picture; "" when nothing is told), all text items by
    name, and what was converted."""
    infotext, items = read_metadata(image)
    found = read_foreign(items, *image.size)
    return found.infotext if found else infotext or "", items, found


def read_foreign(items: Mapping[str, str], width: int, height: int) -> Foreign | None:
    """None for our own pictures, A1111's, and those that tell nothing we know. `width`, `height`: of the picture.

    A reader that fails is logged and passed over.
    """
    told = parse_infotext(items.get("parameters", ""))
    fooocus = "fooocus_scheme" in items or told.get("Version", "").startswith("Fooocus")  # it writes A1111's way too
    if "Steps" in told and not fooocus:
        return None
    for name, reader in readers.items():
        try:
            found = reader(items, (width, height))
        except Exception:  # strangers' texts have any shape, and none of them may keep a picture from being opened
            log.exception("The reader of %s failed.", name)
            continue
        if found:
            return found
    return None
