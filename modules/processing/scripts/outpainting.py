"""What both outpainting scripts share: a larger canvas, painted window by window into what is still empty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from modules.core.errors import UserError
from modules.imaging.masks import Box, flatten
from modules.processing.info import Result
from modules.processing.progress import Picture
from modules.processing.requests import Fill, Generate, InitImage, Mask, MaskedImage
from modules.processing.scripts.call import Call
from modules.processing.scripts.fields import change, init_of, with_size
from modules.processing.scripts.script import Argument, Wish
from modules.processing.tasks import options

Bools = NDArray[np.bool_]
SIDES = ("left", "right", "up", "down")
SIDES_FROM, SIDES_TO = 64, 16384  # pixels of a result
PIXELS = Argument(
    name="pixels",
    label="Pixels to expand",
    kind="slider",
    default=128,
    minimum=8,
    maximum=256,
    step=8,
    hint="Added on each side that is chosen.",
)
DIRECTIONS = Argument(
    name="directions",
    label="Outpainting direction",
    kind="several",
    default=list(SIDES),
    choices=SIDES,
    hint="The sides that grow.",
)


@dataclass(frozen=True, kw_only=True)
class Margins:
    """Pixels that a picture grows by on each side."""

    left: int = 0
    right: int = 0
    up: int = 0
    down: int = 0

    @staticmethod
    def of(wish: Wish) -> Margins:
        return Margins(**{side: wish.whole("pixels") for side in wish.several("directions")})

    def size(self, width: int, height: int) -> tuple[int, int]:
        return width + self.left + self.right, height + self.up + self.down

    def hole(self, width: int, height: int) -> Bools:
        """What is new around a picture of that size, [h, w] of the larger one."""
        return np.pad(np.zeros((height, width), bool), self._pads(), constant_values=True)

    def extend(self, image: Image.Image) -> Image.Image:
        """RGB, the edge pixels repeated outwards."""
        return Image.fromarray(np.pad(np.asarray(image), (*self._pads(), (0, 0)), mode="edge"))

    def _pads(self) -> tuple[tuple[int, int], tuple[int, int]]:
        return (self.up, self.down), (self.left, self.right)


@dataclass(frozen=True, kw_only=True)
class Window:
    """One trip through the network: the pictures grow first, then the `hole` [h, w] in `box` of them is painted."""

    grow: Margins
    box: Box
    hole: Bools
    title: str


@dataclass(frozen=True, kw_only=True)
class Seam:
    """How the painting meets the picture. `overlap`: pixels of the picture painted anew; `blur`: deviation, pixels."""

    overlap: int
    blur: float
    fill: Fill = "original"


Ground = Callable[[Image.Image, Bools, int], Image.Image]  # (grown picture, what is new [h, w], seed) -> picture


def edges(image: Image.Image, new: Bools, seed: int) -> Image.Image:
    """The ground that `Margins.extend` left."""
    return image


def larger(wish: Wish) -> list[Generate]:
    """The request at the size of its result."""
    return [with_size(wish.request, *Margins.of(wish).size(*picture_size(wish)))]


def picture_size(wish: Wish) -> tuple[int, int]:
    """Width and height of the pictures to extend.

    UserError when they differ, for they share their masks, or when what they become is no size of a picture.
    """
    sizes = {wish.engine.inputs.open(one).size for one in init_of(wish.request).images}
    if len(sizes) > 1:
        raise UserError(
            f"The pictures to extend have {len(sizes)} different sizes.", hint="Extend them alone.", field="init_images"
        )
    if not sizes:
        raise UserError("There is no picture to extend.", hint="Choose one.", field="init_images")
    size = sizes.pop()
    for name, side in zip(("width", "height"), Margins.of(wish).size(*size)):
        if not SIDES_FROM <= side <= SIDES_TO:
            raise UserError(
                f"The extended {name} is {side}, but {SIDES_FROM} to {SIDES_TO} pixels are possible.",
                hint="Extend by other pixels, or resize the picture first.",
                field="script.pixels",
            )
    return size


def outpaint(call: Call, windows: Sequence[Window], seam: Seam, ground: Ground = edges) -> Result:
    """All pictures of the request, extended. `ground`: what the network sees where nothing is yet.

    What was finished when a window failed or the job was stopped is kept.
    """
    request = call.wish.request
    kept: list[Picture] = []
    for batch in range(request.shape.batch_count):
        own = change(request, "shape.batch_count", 1)
        own = change(own, "seed.seed", request.seed.seed + batch * request.shape.batch_size)
        pictures, infotexts = _extended(call, own, windows, seam, ground)
        for at, (picture, infotext) in enumerate(zip(pictures, infotexts)):
            kept.append(call.keep(picture, _of_picture(own, picture, at), infotext))
    return call.result(kept)


def _extended(
    call: Call, request: Generate, windows: Sequence[Window], seam: Seam, ground: Ground
) -> tuple[list[Image.Image], list[str]]:
    """One batch after its last finished window, and the infotexts of the first."""
    pictures, infotexts = _originals(call.wish, request.shape.batch_size), []
    for at, window in enumerate(windows):
        seed = request.seed.seed + at
        new = window.grow.hole(*pictures[0].size)
        grown = [ground(window.grow.extend(one), new, seed + k) if new.any() else one for k, one in enumerate(pictures)]
        wish = _request(call.wish, change(request, "seed.seed", seed), grown, window, seam)
        result = call.make(wish, window.title, show=False)
        parts = call.take(result)
        if result.interrupted or len(parts) < len(pictures):
            break
        pictures = [_placed(one, part, window.box) for one, (part, _) in zip(grown, parts)]
        infotexts = infotexts or [infotext for _, infotext in parts]
    return pictures, infotexts


def _originals(wish: Wish, count: int) -> list[Image.Image]:
    settings = wish.engine.settings.with_overrides(wish.request.overrides)
    images = init_of(wish.request).images
    opened = [flatten(wish.engine.inputs.open(one), settings[options.BACKGROUND]) for one in images]
    return [opened[at % len(opened)] for at in range(count)]


def _request(wish: Wish, request: Generate, pictures: list[Image.Image], window: Window, seam: Seam) -> Generate:
    """Inpaint one window, whole."""
    left, top, right, bottom = window.box
    mask = Image.fromarray(window.hole.astype(np.uint8) * 255)
    mask = mask.filter(ImageFilter.MaxFilter(2 * seam.overlap + 1)) if seam.overlap else mask
    store = wish.engine.inputs
    init = InitImage(
        images=tuple(store.put(one.crop(window.box)) for one in pictures),
        strength=init_of(request).strength,
        image_cfg_scale=init_of(request).image_cfg_scale,
    )
    return replace(
        request,
        shape=replace(request.shape, width=right - left, height=bottom - top),
        source=MaskedImage(
            init=init, mask=Mask(image=store.put(mask), blur_x=seam.blur, blur_y=seam.blur), fill=seam.fill
        ),
        after=replace(request.after, grid=False),
        overrides={**request.overrides, options.OVERLAY.key: True},
    )


def _placed(picture: Image.Image, part: Image.Image, box: Box) -> Image.Image:
    whole = picture.copy()
    whole.paste(part, box)
    return whole


def _of_picture(request: Generate, picture: Image.Image, at: int) -> Generate:
    """The request that stands for one finished picture in its name."""
    shape = replace(request.shape, width=picture.width, height=picture.height, batch_size=1)
    seed = replace(request.seed, seed=request.seed.seed + at)
    return replace(request, shape=shape, seed=seed)
