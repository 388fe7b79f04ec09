"""Auto-sized crop: the size in steps of 64 pixels whose shape comes nearest to the picture's."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from modules.imaging.resize import resize_picture
from modules.processing.extras.operation import Operation, Piece, Tools, operations
from modules.processing.extras.request import AutoCrop, ExtrasRequest

STEP = 64  # pixels


def auto_crop(piece: Piece, request: ExtrasRequest, tools: Tools) -> Sequence[Piece]:
    assert request.dataset.auto is not None
    size = best_size(piece.image.width, piece.image.height, request.dataset.auto)
    if size is None:
        tools.tell(f"{piece.name or 'A picture'} was not cropped: no size that is allowed has its shape.")
        return [piece]
    return [dataclasses.replace(piece, image=resize_picture(piece.image, *size, "crop"))]


def best_size(width: int, height: int, wish: AutoCrop) -> tuple[int, int] | None:
    """The largest size, or the one of the least loss, that the limits allow; None when there is none."""
    shape = width / height

    def loss(size: tuple[int, int]) -> float:
        ratio = shape / (size[0] / size[1])
        return 1 - min(ratio, 1 / ratio)

    sides = range(wish.min_side, wish.max_side + 1, STEP)
    sizes = [(across, down) for across in sides for down in sides]
    allowed = [
        one for one in sizes if wish.min_area <= one[0] * one[1] <= wish.max_area and loss(one) <= wish.threshold
    ]
    if wish.objective == "Maximize area":
        return max(allowed, key=lambda one: (one[0] * one[1], -loss(one)), default=None)
    return max(allowed, key=lambda one: (-loss(one), one[0] * one[1]), default=None)


operations.add(
    "Auto-sized crop",
    Operation(order=4020, wanted=lambda request: request.dataset.auto is not None, apply=auto_crop),
)
