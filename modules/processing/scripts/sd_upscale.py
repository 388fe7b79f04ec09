"""SD upscale: enlarge a picture, work on it tile by tile, and put the tiles together again."""

from __future__ import annotations

import dataclasses
import math

from PIL import Image

from modules.core.errors import UserError
from modules.imaging.masks import flatten
from modules.imaging.tiles import stitch_linear, stitch_poisson, tile_boxes
from modules.processing.info import Result
from modules.processing.progress import Interrupted, Picture
from modules.processing.requests import Generate, MaskedImage
from modules.processing.scripts.call import Call
from modules.processing.scripts.fields import change, init_of, with_size
from modules.processing.scripts.script import Argument, Wish, register_script
from modules.processing.tasks.options import BACKGROUND

Box = tuple[int, int, int, int]
STITCH = {"linear": stitch_linear, "poisson": stitch_poisson}


def _picture(wish: Wish) -> Image.Image:
    """The picture to enlarge, RGB."""
    images = init_of(wish.request).images
    if not images:
        raise UserError("There is no picture to enlarge.", hint="Choose one.", field="init_images")
    settings = wish.engine.settings.with_overrides(wish.request.overrides)
    return flatten(wish.engine.inputs.open(images[0]), settings[BACKGROUND])


def _size(wish: Wish, width: int, height: int) -> tuple[int, int]:
    """Pixels after enlarging; the upscaler None leaves the size as it is."""
    if wish.text("upscaler") == "None":
        return width, height
    return round(width * wish.real("scale")), round(height * wish.real("scale"))


def _boxes(wish: Wish, width: int, height: int) -> list[Box]:
    shape, overlap = wish.request.shape, wish.whole("overlap")
    if overlap >= min(shape.width, shape.height):
        raise UserError(
            f"The tiles' overlap is {overlap}, but less than their size of {shape.width}x{shape.height} was expected.",
            hint=f"Use {min(shape.width, shape.height) // 4}.",
            field="script.overlap",
        )
    return tile_boxes(width, height, min(shape.width, width), min(shape.height, height), overlap)


def _count(wish: Wish) -> int:
    if isinstance(wish.request.source, MaskedImage):
        raise UserError("SD upscale works on whole pictures, not on a mask.", hint="Use img2img.", field="script")
    boxes = _boxes(wish, *_size(wish, *_picture(wish).size))
    return math.ceil(len(boxes) / wish.request.shape.batch_size) * wish.request.shape.batch_count


@register_script(
    "SD upscale",
    "Enlarges the picture and works on it in tiles of the size above.",
    tabs=("img2img",),
    arguments=(
        Argument(name="info", label="", kind="note"),
        Argument(
            name="overlap",
            label="Tile overlap",
            kind="slider",
            default=64,
            minimum=0,
            maximum=256,
            step=16,
            hint="Pixels that neighbouring tiles share; more hides their edges.",
        ),
        Argument(
            name="upscaler",
            label="Upscaler",
            kind="choice",
            default="None",
            choices=lambda engine, tab: engine.upscalers.names(),
            hint="Enlarges the picture first. None: it keeps its size.",
        ),
        Argument(
            name="scale",
            label="Scale Factor",
            kind="slider",
            default=2.0,
            minimum=1.0,
            maximum=4.0,
            step=0.05,
            hint="How many times wider and higher the picture becomes.",
        ),
        Argument(
            name="blend",
            label="Joining of tiles",
            kind="choice",
            default="linear",
            choices=tuple(STITCH),
            hint="linear fades one tile into the next; poisson evens out their colours too.",
        ),
    ),
    count=_count,
    asks=lambda wish: [with_size(wish.request, *_size(wish, *_picture(wish).size))],
)
def sd_upscale(call: Call) -> Result:
    wish = call.wish
    picture = _picture(wish)
    size = _size(wish, *picture.size)
    try:
        if size != picture.size:
            picture = wish.engine.upscalers.find(wish.text("upscaler")).upscale(
                picture, *size, check=call.control.check
            )
    except Interrupted:
        return call.result([])
    boxes = _boxes(wish, *picture.size)
    base = change(wish.request, "shape.batch_count", 1)
    fields = {"SD upscale overlap": wish.whole("overlap"), "SD upscale upscaler": wish.text("upscaler")}
    kept: list[Picture] = []
    for number in range(wish.request.shape.batch_count):
        request = change(base, "seed.seed", base.seed.seed + number)
        tiles, infotext = _tiles(call, request, [picture.crop(one) for one in boxes], fields)
        if infotext:
            kept.append(call.keep(STITCH[wish.text("blend")](tiles, boxes), request, infotext))
    return call.result(kept)


def _tiles(
    call: Call, request: Generate, tiles: list[Image.Image], fields: dict[str, object]
) -> tuple[list[Image.Image], str]:
    """The tiles worked on, those left as they are that could not be, and the first one's infotext."""
    size, done, infotext = request.shape.batch_size, list(tiles), ""
    request = change(with_size(request, *tiles[0].size), "after.grid", False)
    for start in range(0, len(tiles), size):
        part = tiles[start : start + size]
        init = dataclasses.replace(
            init_of(request), images=tuple(call.wish.engine.inputs.put(one) for one in part), resize="just"
        )
        asked = change(change(request, "source", init), "shape.batch_size", len(part))
        asked = change(asked, "seed.seed", request.seed.seed + start // size)
        title = f"Tile {start + 1} of {len(tiles)}"
        made = call.make(asked, title, show=False, fields=fields)
        for at, (tile, told) in enumerate(call.take(made)):
            done[start + at] = tile
            infotext = infotext or told
    return done, infotext
