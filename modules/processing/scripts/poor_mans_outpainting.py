"""Poor man's outpainting: a larger canvas, inpainted tile by tile."""

from __future__ import annotations

from typing import cast, get_args

from modules.imaging.tiles import tile_boxes
from modules.processing.info import Result
from modules.processing.requests import Fill
from modules.processing.scripts.call import Call
from modules.processing.scripts.outpainting import (
    DIRECTIONS,
    PIXELS,
    Margins,
    Seam,
    Window,
    larger,
    outpaint,
    picture_size,
)
from modules.processing.scripts.script import Argument, Wish, register_script


def _windows(wish: Wish) -> list[Window]:
    """The tiles of the request's size that hold something new; each paints what those before it left empty."""
    margins, size, shape = Margins.of(wish), picture_size(wish), wish.request.shape
    empty, found = margins.hole(*size), []
    overlap = min(wish.whole("pixels"), shape.width // 2, shape.height // 2)
    for box in tile_boxes(*margins.size(*size), shape.width, shape.height, overlap):
        place = slice(box[1], box[3]), slice(box[0], box[2])
        if empty[place].any():
            grow = Margins() if found else margins
            found.append(Window(grow=grow, box=box, hole=empty[place].copy(), title=f"Tile {len(found) + 1}"))
            empty[place] = False
    return found


@register_script(
    "Poor man's outpainting",
    "Extends the picture to its sides by inpainting tiles of the new area.",
    tabs=("img2img",),
    arguments=(
        PIXELS,
        Argument(
            name="mask_blur",
            label="Mask blur",
            kind="slider",
            default=4,
            minimum=0,
            maximum=64,
            step=1,
            hint="How softly the new area meets the old.",
        ),
        Argument(
            name="fill",
            label="Masked content",
            kind="choice",
            default="fill",
            choices=get_args(Fill),
            hint="What the new area holds before it is painted.",
        ),
        DIRECTIONS,
    ),
    count=lambda wish: len(_windows(wish)) * wish.request.shape.batch_count,
    asks=larger,
)
def poor_mans_outpainting(call: Call) -> Result:
    wish = call.wish
    blur, fill = 2 * wish.whole("mask_blur"), cast(Fill, wish.text("fill"))
    return outpaint(call, _windows(wish), Seam(overlap=blur, blur=blur, fill=fill))
