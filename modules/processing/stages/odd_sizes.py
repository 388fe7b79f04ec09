"""Sizes that the network cannot take: a picture lies in the middle of a canvas that it can, and is taken out again.

The setting is `options.ODD_SIZE_METHOD`.
"""

from __future__ import annotations

from typing import Literal, cast

import numpy as np
from PIL import Image

from modules.core.settings import Settings
from modules.processing.options import ODD_SIZE_METHOD

OddSize = Literal["reflect", "replicate", "constant", "resize"]
Box = tuple[int, int, int, int]  # left, top, right, bottom
GREY = 127  # the value that autoencoders find least remarkable


def chosen_method(settings: Settings) -> OddSize:
    return cast(OddSize, settings[ODD_SIZE_METHOD])


def canvas_size(width: int, height: int, step: int) -> tuple[int, int]:
    """The smallest multiples of `step` that hold the picture."""
    return -(-width // step) * step, -(-height // step) * step


def canvas_box(size: tuple[int, int], canvas: tuple[int, int], how: OddSize) -> Box:
    """Where a picture of `size` lies in the canvas: in the middle; "resize" makes it touch two opposite edges."""
    width, height = size
    if how == "resize":
        scale = min(canvas[0] / width, canvas[1] / height)
        width, height = min(canvas[0], round(width * scale)), min(canvas[1], round(height * scale))
    left, top = (canvas[0] - width) // 2, (canvas[1] - height) // 2
    return left, top, left + width, top + height


def pad_picture(image: Image.Image, canvas: tuple[int, int], how: OddSize) -> tuple[Image.Image, Box]:
    """The picture on its canvas, and where it lies. A constant border is grey, in masks (mode "L") black: kept."""
    box = canvas_box(image.size, canvas, how)
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    if (width, height) == canvas:
        return image, box
    margins = [(top, canvas[1] - bottom), (left, canvas[0] - right)]
    pixels = np.asarray(image)
    if pixels.ndim == 3:
        margins.append((0, 0))
    if how == "constant":
        grown = np.pad(pixels, margins, constant_values=0 if image.mode == "L" else GREY)
    else:
        grown = np.pad(pixels, margins, mode="edge" if how == "replicate" else "reflect")
    return Image.fromarray(grown), box


def uncover(image: Image.Image, size: tuple[int, int], how: OddSize) -> Image.Image:
    """A picture of exactly `size` out of its canvas: the reverse of `pad_picture`."""
    if image.size == size:
        return image
    image = image.crop(canvas_box(size, image.size, how))
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
