"""Picture files as training sees them: upright, RGB, transparency over white; and the masks that belong to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from modules.imaging.metadata import FORMATS

DECODERS = (*FORMATS, "BMP")  # the only ones that strangers' files reach
BROKEN = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)  # what they raise
LYING = 5  # EXIF orientations from here on swap the sides
ORIENTATION = 0x0112
WHITE = (255, 255, 255, 255)


def opened(path: Path) -> Image.Image:
    """Only its header is read yet."""
    return Image.open(path, formats=DECODERS)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """(width, height) of the picture as it stands."""
    width, height = image.size
    return (height, width) if orientation(image) >= LYING else (width, height)


def orientation(image: Image.Image) -> int:
    """EXIF's, 1 to 8; 1 is upright. Asked before the pixels are read: `getexif` reads all of a PNG to look behind."""
    return image.getexif().get(ORIENTATION, 1) if "exif" in image.info else 1


def to_rgb(image: Image.Image) -> Image.Image:
    """Upright, transparency over white, 16 bits brought to 8. Of an animation, the first picture."""
    picture = to_colours(image)
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, WHITE), picture)
    return picture.convert("RGB")


def to_colours(image: Image.Image) -> Image.Image:
    """The same with its transparency kept: RGBA, or RGB where it has none."""
    turned = _upright(image)
    if turned.mode.startswith("I"):
        values = np.asarray(turned, np.float64) / 257  # Pillow's own conversion would cut all above 255
        turned = Image.fromarray(values.round().clip(0, 255).astype(np.uint8))
    return turned.convert("RGBA" if turned.has_transparency_data else "RGB")


def to_mask(image: Image.Image, *, alpha: bool) -> Image.Image | None:
    """Upright, mode L, white where it counts: the picture's opacity (None without one), or a mask file's red."""
    turned = _upright(image)
    if not alpha:
        return turned.convert("RGB").getchannel("R")
    return turned.convert("RGBA").getchannel("A") if turned.has_transparency_data else None


def _upright(image: Image.Image) -> Image.Image:
    return ImageOps.exif_transpose(image) if orientation(image) != 1 else image
