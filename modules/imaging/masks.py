"""Masks of inpainting: reading, blurring, the box to work on, filling the hole, keeping what is outside.

White (255) is painted anew, black is kept, grey is mixed.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageColor, ImageFilter, ImageOps

from modules.core.errors import UserError

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels; right and bottom are outside
HOLE_BLURS = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))  # radius, how often it is laid over: the widest first


def read_mask(image: Image.Image, *, round: bool = True) -> Image.Image:
    """The mask in a picture, L: its alpha unless wholly opaque, else its grey. `round`: alpha above 128 is 255, else 0.

    Grey is never rounded here, so that a soft edge drawn by hand stays soft in the result.
    """
    if image.has_transparency_data:
        alpha = image.convert("RGBA").getchannel("A")
        if alpha.getextrema() != (255, 255):
            return alpha.point([255 if value > 128 else 0 for value in range(256)]) if round else alpha
        image = image.convert("RGB")
    return image.convert("L")


def blur_mask(mask: Image.Image, x: float, y: float) -> Image.Image:
    """A Gaussian of deviations x and y pixels over kernels of 2 * int(2.5 * deviation + 0.5) + 1; borders mirrored."""
    from scipy.ndimage import correlate1d

    values = np.asarray(mask.convert("L"), np.float64)
    for axis, deviation in ((1, x), (0, y)):
        if deviation > 0:
            reach = int(2.5 * deviation + 0.5)
            kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
            values = correlate1d(values, kernel / kernel.sum(), axis, mode="mirror")
    return Image.fromarray(np.rint(values.clip(0, 255)).astype(np.uint8))


def mask_box(mask: Image.Image, padding: int = 0) -> Box | None:
    """The box around all that is not black, `padding` pixels wider on each side inside the picture; None: all black."""
    box = mask.getbbox()
    if box is None:
        return None
    left, top, right, bottom = box
    return (
        max(left - padding, 0),
        max(top - padding, 0),
        min(right + padding, mask.width),
        min(bottom + padding, mask.height),
    )


def painted_box(mask: Image.Image, padding: int) -> Box:
    """`mask_box`, where only that box is worked on: UserError when there is none."""
    box = mask_box(mask, padding)
    if box is None:
        raise UserError(
            "Only masked has nothing to work on, because the mask is blank.",
            hint="Paint over what is to be changed, or choose the whole picture.",
            field="mask",
        )
    return box


def grow_box(box: Box, aspect_width: int, aspect_height: int, image_width: int, image_height: int) -> Box:
    """The box widened or heightened to the aspect, moved where it leaves the picture, cut where it is too large."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    if width * aspect_height > height * aspect_width:
        top, bottom = _grow(top, bottom, width * aspect_height // aspect_width, image_height)
    else:
        left, right = _grow(left, right, height * aspect_width // aspect_height, image_width)
    return left, top, right, bottom


def fill_hole(image: Image.Image, mask: Image.Image) -> Image.Image:
    """What is masked becomes a blur of its surroundings, finer towards the border; RGB."""
    hole = ImageOps.invert(mask.convert("L"))
    around = Image.new("RGBa", image.size)
    around.paste(image.convert("RGBA").convert("RGBa"), mask=hole)
    filled = Image.new("RGBA", image.size)
    for radius, times in HOLE_BLURS:
        blurred = around.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        for _ in range(times):
            filled.alpha_composite(blurred)
    return filled.convert("RGB")


def flatten(image: Image.Image, colour: str) -> Image.Image:
    """RGB; what is transparent shows `colour` (CSS)."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    try:
        ground = Image.new("RGBA", image.size, ImageColor.getrgb(colour))
    except ValueError:
        raise UserError(
            f"Background colour {colour!r} is no colour.", hint="Write it like #ffffff or white.", field="background"
        ) from None
    ground.alpha_composite(image.convert("RGBA"))
    return ground.convert("RGB")


def keep_outside(original: Image.Image, painted: Image.Image, mask: Image.Image) -> Image.Image:
    """RGB: painted where the mask is white, the original where it is black (byte for byte), mixed where it is grey."""
    return Image.composite(painted.convert("RGB"), original.convert("RGB"), mask.convert("L"))


def _grow(start: int, end: int, length: int, limit: int) -> tuple[int, int]:
    """The span made `length` long around its middle, then moved into 0..limit."""
    start -= (length - (end - start)) // 2
    start = max(min(start, limit - length), 0)
    return start, min(start + length, limit)
