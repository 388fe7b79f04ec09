"""Outpainting mk2: one side after the other, from noise that looks like the picture from afar."""

from __future__ import annotations

import numpy as np
from PIL import Image

from modules.imaging.matched_noise import fill_with_noise
from modules.processing.info import Result
from modules.processing.scripts.call import Call
from modules.processing.scripts.outpainting import (
    DIRECTIONS,
    PIXELS,
    Bools,
    Margins,
    Seam,
    Window,
    larger,
    outpaint,
    picture_size,
)
from modules.processing.scripts.script import Argument, Wish, register_script


def _windows(wish: Wish) -> list[Window]:
    """A window a side: as deep as the request's size, at least twice the new pixels; as long as the side."""
    size, shape, found = picture_size(wish), wish.request.shape, []
    pixels = wish.whole("pixels")
    for side in wish.several("directions"):
        grow = Margins(**{side: pixels})
        width, height = grow.size(*size)
        across = side in ("left", "right")
        deep = min(max(shape.width if across else shape.height, 2 * pixels), width if across else height)
        box = {
            "left": (0, 0, deep, height),
            "right": (width - deep, 0, width, height),
            "up": (0, 0, width, deep),
            "down": (0, height - deep, width, height),
        }[side]
        hole = grow.hole(*size)[box[1] : box[3], box[0] : box[2]]
        found.append(Window(grow=grow, box=box, hole=hole, title=side))
        size = width, height
    return found


@register_script(
    "Outpainting mk2",
    "Extends the picture to its sides. Best with 80 to 100 steps, Euler a and a denoising strength of 0.8.",
    tabs=("img2img",),
    arguments=(
        Argument(name="note", label="", kind="note"),
        PIXELS,
        Argument(
            name="mask_blur",
            label="Mask blur",
            kind="slider",
            default=8,
            minimum=0,
            maximum=64,
            step=1,
            hint="How softly the new area meets the old.",
        ),
        DIRECTIONS,
        Argument(
            name="fall_off",
            label="Fall-off exponent (lower=higher detail)",
            kind="slider",
            default=1.0,
            minimum=0.0,
            maximum=4.0,
            step=0.01,
            hint="How fast fine detail fades in the noise that the new area starts from.",
        ),
        Argument(
            name="colour_variation",
            label="Color variation",
            kind="slider",
            default=0.05,
            minimum=0.0,
            maximum=1.0,
            step=0.01,
            hint="How far that noise strays from the picture's colours.",
        ),
    ),
    count=lambda wish: len(_windows(wish)) * wish.request.shape.batch_count,
    asks=larger,
)
def outpainting_mk2(call: Call) -> Result:
    wish = call.wish

    def noise(image: Image.Image, new: Bools, seed: int) -> Image.Image:
        return fill_with_noise(
            image,
            np.asarray(new),
            seed=seed,
            fall_off=wish.real("fall_off"),
            colour_variation=wish.real("colour_variation"),
        )

    blur = wish.whole("mask_blur")
    return outpaint(call, _windows(wish), Seam(overlap=blur, blur=blur), noise)
