"""From a request's size and strength to trips through the sampler: steps, sizes, and how a large size is reached."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

from modules.core.errors import UserError
from modules.processing.requests import Generate, Hires, Noise, Windows

Size = tuple[int, int]  # width, height in pixels
DIRECT_SIDE, HIRES_SIDE = 1.5, 3.0  # times the model's own side: up to here direct, up to there with a second pass
AUTO_HIRES = Hires(upscaler="Latent (bicubic antialiased)", strength=0.6)


@dataclass(frozen=True, kw_only=True)
class Steps:
    """`total` steps are laid out, the first `skipped` are left out; `run` are made."""

    total: int
    skipped: int = 0

    @property
    def run(self) -> int:
        return self.total - self.skipped


def steps_for(steps: int, strength: float, *, exact: bool) -> Steps:
    """Which part of the way a picture is noised to and denoised again: int(strength * steps) + 1 steps, as in A1111.

    `exact`: as many as asked, at the end of a longer way. Strength 0 takes none: the picture stays as it is.
    """
    if strength <= 0:
        return Steps(total=steps, skipped=steps)
    share = min(strength, 0.999)
    if exact:
        total = int(steps / share)
        return Steps(total=total, skipped=total - steps)
    return Steps(total=steps, skipped=steps - int(share * steps) - 1)


def hires_sizes(width: int, height: int, hires: Hires) -> tuple[Size, Size]:
    """(what the first picture is enlarged to, what is cut out of its middle), both width, height in pixels.

    With both sides given the picture covers the size asked for, and what stands over is cut off.
    """
    if not hires.width and not hires.height:
        size = int(width * hires.scale), int(height * hires.scale)
        return size, size
    if not hires.height:
        size = hires.width, hires.width * height // width
        return size, size
    if not hires.width:
        size = hires.height * width // height, hires.height
        return size, size
    asked = hires.width, hires.height
    if width * hires.height < hires.width * height:  # the target is wider
        return (hires.width, math.ceil(hires.width * height / width)), asked
    return (math.ceil(hires.height * width / height), hires.height), asked


def side_of(size: Size, native: Size) -> float:
    """How many times the model's own side a size has, by the square root of the areas."""
    return math.sqrt(size[0] * size[1] / (native[0] * native[1]))


def choose_method(request: Generate, native: Size) -> Literal["direct", "hires", "windows"]:
    """What "auto" means for this request. A picture that is worked on, or enlarged already, needs no first pass.

    Prompts of regions need windows.
    """
    shape = request.shape
    if shape.method != "auto":
        return shape.method
    side = side_of((shape.width, shape.height), native)
    if shape.windows.regions:
        return "windows"
    if side <= DIRECT_SIDE:
        return "direct"
    return (
        "hires" if side <= HIRES_SIDE and isinstance(request.source, Noise) and not request.after.hires else "windows"
    )


def with_first_pass(request: Generate, native: Size, step: int) -> Generate:
    """The same size by hires fix: a first pass of about the model's own area, a multiple of `step` each side."""
    shape = request.shape
    shrink = max(1.0, side_of((shape.width, shape.height), native))
    width, height = (max(step, round(side / shrink / step) * step) for side in (shape.width, shape.height))
    hires = dataclasses.replace(request.after.hires or AUTO_HIRES, width=shape.width, height=shape.height)
    return dataclasses.replace(
        request,
        shape=dataclasses.replace(shape, width=width, height=height, method="direct"),
        after=dataclasses.replace(request.after, hires=hires),
    )


def windows_for(wish: Windows, native: Size, step: int) -> Windows:
    """Windows with nothing left open: the model's own side, and half of it shared with the next one."""
    size = wish.size or min(native)
    overlap = wish.overlap or size // 2 // step * step
    if size < 64 or size % step:
        raise UserError(
            f"The window size is {size}, but a multiple of {step} from 64 on was expected.",
            hint=f"Use {max(64, round(size / step) * step)}.",
            field="windows.size",
        )
    if not 0 <= overlap < size or overlap % step:
        raise UserError(
            f"The windows' overlap is {overlap}, but a multiple of {step} from 0 to {size - step} was expected.",
            hint=f"Use {min(size - step, max(0, round(overlap / step) * step))}.",
            field="windows.overlap",
        )
    if not 1 <= wish.batch <= 64:
        raise UserError(f"{wish.batch} windows at once, but 1 to 64 are possible.", field="windows.batch")
    for index, one in enumerate(wish.regions):
        if not (0 <= one.left < one.right <= 1 and 0 <= one.top < one.bottom <= 1 and one.weight >= 0):
            raise UserError(
                f"Region {index + 1} reaches from ({one.left}, {one.top}) to ({one.right}, {one.bottom}) and has the "
                f"weight {one.weight}, but shares of the picture from 0 to 1 and a weight from 0 on were expected.",
                field=f"windows.regions[{index}]",
            )
    return dataclasses.replace(wish, size=size, overlap=overlap)
