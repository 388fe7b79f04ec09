"""How large a result becomes: multiples of 8 pixels by a factor, at least the target otherwise."""

from __future__ import annotations

import math

from modules.core.errors import UserError
from modules.imaging.metadata import MAX_SHEET
from modules.imaging.resize import cover_size
from modules.processing.extras.request import Size

STEP = 8  # pixels


def result_size(width: int, height: int, size: Size) -> tuple[int, int]:
    """Before cropping: floor(side * by / 8) * 8, or the aspect kept and the target covered."""
    if size.to is not None:
        target = (size.to.width, size.to.height)
        across, down = (_stepped(side) for side in cover_size(width, height, *target))
        return max(across, target[0]), max(down, target[1])
    across, down = width * size.by, height * size.by
    longest = max(across, down)
    if limited(width, height, size):
        across, down = (math.floor(side * size.max_side / longest + 1e-6) for side in (across, down))
    return _stepped(across), _stepped(down)


def limited(width: int, height: int, size: Size) -> bool:
    """Whether the longest side that is allowed decides, and not the factor."""
    return size.to is None and 0 < size.max_side < max(width, height) * size.by


def target_size(width: int, height: int, size: Size) -> tuple[int, int]:
    """What pictures are cut to: the size that was asked for, whether or not an upscaler was."""
    return (size.to.width, size.to.height) if size.to is not None else result_size(width, height, size)


def check_size(width: int, height: int, count: int = 1) -> None:
    """UserError for `count` pictures of that size when they are more than can be held together."""
    if count * width * height > MAX_SHEET:
        several = f"{count} pictures of " if count > 1 else ""
        raise UserError(
            f"{several}{width}x{height} is more than {MAX_SHEET:,} pixels.",
            hint="Choose a smaller size.",
            field="size",
        )


def _stepped(side: float) -> int:
    return max(math.floor(side / STEP + 1e-6) * STEP, STEP)
