"""Split oversized images: a long picture becomes several of the target's shape that overlap."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from PIL import Image

from modules.processing.extras.operation import Operation, Piece, Tools, operations
from modules.processing.extras.request import ExtrasRequest
from modules.processing.extras.size import target_size


def split(piece: Piece, request: ExtrasRequest, tools: Tools) -> Sequence[Piece]:
    """Only where the picture's shape is further from the target's than the threshold; else it stays whole."""
    wish = request.dataset.split
    assert wish is not None
    image = piece.image
    across, down = target_size(image.width, image.height, request.size)
    tall = image.height > image.width
    likeness = image.width * down / (image.height * across)
    likeness = likeness if tall else 1 / likeness
    if likeness >= 1 or likeness > wish.threshold:
        return [piece]
    if tall:
        scaled = image.resize((across, image.height * across // image.width), Image.Resampling.LANCZOS)
        boxes = [(0, top, across, top + down) for top in starts(scaled.height, down, wish.overlap)]
    else:
        scaled = image.resize((image.width * down // image.height, down), Image.Resampling.LANCZOS)
        boxes = [(left, 0, left + across, down) for left in starts(scaled.width, across, wish.overlap)]
    return [
        dataclasses.replace(piece, image=scaled.crop(box), tags=(*piece.tags, str(number)))
        for number, box in enumerate(boxes, 1)
    ]


def starts(length: int, part: int, overlap: float) -> list[int]:
    """Where parts begin that cover `length` evenly, each overlapping the next by at least `overlap` of a part."""
    count = max(math.ceil((length - part * overlap) / (part * (1 - overlap))), 1)
    return [(length - part) * number // max(count - 1, 1) for number in range(count)]


operations.add(
    "Split oversized images",
    Operation(order=4000, wanted=lambda request: request.dataset.split is not None, apply=split),
)
