"""A picture brought to a size: squeezed, cropped, or fitted with its edges stretched."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from PIL import Image

ResizeMode = Literal["just", "crop", "fill"]
Enlarge = Callable[[Image.Image, int, int], Image.Image]  # (picture, width, height) -> picture of that size
LARGE = 2**24  # pixels of a covering picture; of a larger one only what shows is made
AROUND = 4  # pixels of the source around what shows, for the filters' reach


def resize_picture(
    image: Image.Image, width: int, height: int, mode: ResizeMode = "just", enlarge: Enlarge | None = None
) -> Image.Image:
    """The picture at exactly width x height, its colour mode kept (palettes become RGB or RGBA).

    just: each side for itself. crop: large enough to cover, the middle is kept. fill: as large as fits, the rest is
    the edge row or column stretched. `enlarge` takes Lanczos' place where a side grows; masks (L) always take Lanczos.
    """
    if image.mode in ("1", "P", "PA"):
        image = image.convert("L" if image.mode == "1" else "RGBA" if image.has_transparency_data else "RGB")
    if mode == "just":
        return _scale(image, width, height, enlarge)
    image = _shown(image, width, height) if mode == "crop" else image
    size = cover_size if mode == "crop" else fit_size
    scaled = _scale(image, *size(*image.size, width, height), enlarge)
    left, top = width // 2 - scaled.width // 2, height // 2 - scaled.height // 2
    if mode == "crop":
        return scaled.crop((-left, -top, width - left, height - top))
    made = Image.new(image.mode, (width, height))
    made.paste(scaled, (left, top))
    right, bottom = left + scaled.width, top + scaled.height
    for (x, y, x2, y2), edge in (
        ((0, 0, width, top), (0, 0, scaled.width, 0)),
        ((0, bottom, width, height), (0, scaled.height, scaled.width, scaled.height)),
        ((0, 0, left, height), (0, 0, 0, scaled.height)),
        ((right, 0, width, height), (scaled.width, 0, scaled.width, scaled.height)),
    ):
        if x2 > x and y2 > y:  # a box without height is its edge row, bicubically met at the border
            made.paste(scaled.resize((x2 - x, y2 - y), Image.Resampling.BICUBIC, box=edge), (x, y))
    return made


def cover_size(width: int, height: int, to_width: int, to_height: int) -> tuple[int, int]:
    """The smallest size of the same aspect that covers the target; whole pixels, rounded down."""
    if to_width * height > width * to_height:
        return to_width, height * to_width // width
    return width * to_height // height, to_height


def fit_size(width: int, height: int, to_width: int, to_height: int) -> tuple[int, int]:
    """The largest size of the same aspect inside the target; whole pixels, rounded down, at least 1."""
    if to_width * height < width * to_height:
        return to_width, max(height * to_width // width, 1)
    return max(width * to_height // height, 1), to_height


def _shown(image: Image.Image, width: int, height: int) -> Image.Image:
    """The picture; of one much longer than width x height only the middle, so that its cover stays small."""
    covering = cover_size(*image.size, width, height)
    if covering[0] * covering[1] <= max(LARGE, 4 * width * height):
        return image
    box: list[int] = []
    for side, whole, wanted in zip(image.size, covering, (width, height)):
        kept = math.ceil(side * wanted / whole) + 2 * AROUND
        cut = max(side - kept, 0) // 2  # the same on both ends: the middle stays where it is
        box += [cut, side - cut]
    return image.crop((box[0], box[2], box[1], box[3]))


def _scale(image: Image.Image, width: int, height: int, enlarge: Enlarge | None) -> Image.Image:
    if enlarge is not None and image.mode != "L" and (width > image.width or height > image.height):
        image = enlarge(image, width, height)
    return image if image.size == (width, height) else image.resize((width, height), Image.Resampling.LANCZOS)
