"""Split oversized images: a long picture becomes several of the target's shape that overlap."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from PIL import Image

from modules.core.errors import UserError
from modules.imaging.resize import cover_size
from modules.processing.extras.operation import Operation, Piece, Tools, operations
from modules.processing.extras.request import ExtrasRequest, Split
from modules.processing.extras.size import check_size, target_size

MOST = 1000  # parts of one picture


def split(piece: Piece, request: ExtrasRequest, tools: Tools) -> Sequence[Piece]:
    """Only where the picture's shape is further from the target's than the threshold; else it stays whole."""
    wish = request.dataset.split
    assert wish is not None
    size = target_size(piece.image.width, piece.image.height, request.size)
    parts = parts_of(piece.image, size, wish, piece.name)
    if parts is None:
        return [piece]
    return [dataclasses.replace(piece, image=one, tags=(*piece.tags, str(at))) for at, one in enumerate(parts, 1)]


def parts_of(image: Image.Image, size: tuple[int, int], wish: Split, name: str = "") -> list[Image.Image] | None:
    """The parts, each of (width, height) `size`; None where the picture stays whole."""
    across, down = size
    tall = image.height > image.width
    likeness = image.width * down / (image.height * across)
    likeness = likeness if tall else 1 / likeness
    if likeness >= 1 or likeness > wish.threshold:
        return None
    width, height = cover_size(*image.size, across, down)
    count = part_count(*((height, down) if tall else (width, across)), wish.overlap)
    if count > MOST:
        raise UserError(
            f"Splitting {name} would make {count:,} pictures, but at most {MOST:,} are possible.",
            hint="Choose a larger size or less overlap.",
            field="dataset.split",
        )
    check_size(across, down, count)
    scaled = image.resize((width, height), Image.Resampling.LANCZOS)
    if tall:
        boxes = [(0, top, across, top + down) for top in starts(height, down, wish.overlap)]
    else:
        boxes = [(left, 0, left + across, down) for left in starts(width, across, wish.overlap)]
    return [scaled.crop(box) for box in boxes]


def starts(length: int, part: int, overlap: float) -> list[int]:
    """Where parts begin that cover `length` evenly, each overlapping the next by at least `overlap` of a part."""
    count = part_count(length, part, overlap)
    return [(length - part) * number // max(count - 1, 1) for number in range(count)]


def part_count(length: int, part: int, overlap: float) -> int:
    return max(math.ceil((length - part * overlap) / (part * (1 - overlap))), 1)


operations.add(
    "Split oversized images",
    Operation(order=4000, wanted=lambda request: request.dataset.split is not None, apply=split),
)
