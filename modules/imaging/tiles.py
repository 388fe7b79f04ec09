"""A picture cut into overlapping tiles, and tiles put together again without seams."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from modules.core.errors import UserError
from modules.imaging.poisson import screened_poisson

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels; right and bottom are outside
Floats = NDArray[np.float64]


def tile_boxes(width: int, height: int, tile_width: int, tile_height: int, overlap: int) -> list[Box]:
    """Row by row, evenly spread, neighbours at least `overlap` pixels over each other. No tile leaves the picture."""
    if not 0 <= overlap < min(tile_width, tile_height):
        raise UserError(
            f"Overlap {overlap} does not fit into tiles of {tile_width} x {tile_height}.",
            hint=f"Use 0 to {min(tile_width, tile_height) - 1}.",
            field="overlap",
        )
    columns, rows = _starts(width, tile_width, overlap), _starts(height, tile_height, overlap)
    return [(x, y, min(x + tile_width, width), min(y + tile_height, height)) for y in rows for x in columns]


def stitch_linear(tiles: Sequence[Image.Image], boxes: Sequence[Box]) -> Image.Image:
    """The tiles at their places, faded linearly into each other where they overlap; RGB."""
    return _to_image(_mixed(*_given(tiles, boxes)))


def stitch_poisson(tiles: Sequence[Image.Image], boxes: Sequence[Box]) -> Image.Image:
    """The tiles at their places; where their colours disagree, the step is spread over about a tile's width; RGB.

    The picture whose gradients are the tiles' (faded like pixels), close to the linear mixture at large.
    """
    arrays, boxes = _given(tiles, boxes)
    mixed = _mixed(arrays, boxes)
    side = max(right - left for left, _, right, _ in boxes)
    for channel in range(3):
        across, down = _gradients([one[..., channel] for one in arrays], boxes, mixed.shape[:2])
        base = mixed[..., channel]
        shift = screened_poisson(across - np.diff(base, axis=1), down - np.diff(base, axis=0), 1 / side**2)
        mixed[..., channel] = base + shift
    return _to_image(mixed)


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    count = max(math.ceil((length - overlap) / (tile - overlap)), 1)
    return [int(at * (length - tile) / (count - 1)) if count > 1 else 0 for at in range(count)]


def _given(tiles: Sequence[Image.Image], boxes: Sequence[Box]) -> tuple[list[Floats], Sequence[Box]]:
    for tile, (left, top, right, bottom) in zip(tiles, boxes, strict=True):
        assert tile.size == (right - left, bottom - top), f"a tile of {tile.size} for {(left, top, right, bottom)}"
    return [np.asarray(one.convert("RGB"), np.float64) for one in tiles], boxes


def _mixed(tiles: Sequence[Floats], boxes: Sequence[Box]) -> Floats:
    width, height = max(box[2] for box in boxes), max(box[3] for box in boxes)
    total, weights = np.zeros((height, width, 3)), np.zeros((height, width, 1))
    for tile, box in zip(tiles, boxes):
        weight = _weight(box, width, height)[..., None]
        left, top, right, bottom = box
        total[top:bottom, left:right] += tile * weight
        weights[top:bottom, left:right] += weight
    return total / weights


def _gradients(tiles: Sequence[Floats], boxes: Sequence[Box], size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Differences to the right and to below, each the mean of those of the tiles that hold both pixels.

    Where two tiles only touch, no tile holds both: no difference is asked there.
    """
    height, width = size
    found = []
    for axis, shape in ((1, (height, width - 1)), (0, (height - 1, width))):
        total, weights = np.zeros(shape), np.zeros(shape)
        for tile, box in zip(tiles, boxes):
            left, top, right, bottom = box
            weight = _weight(box, width, height)
            weight = weight[:, 1:] + weight[:, :-1] if axis else weight[1:] + weight[:-1]
            place = np.s_[top : bottom - (axis == 0), left : right - (axis == 1)]
            total[place] += np.diff(tile, axis=axis) * weight
            weights[place] += weight
        found.append(total / np.where(weights > 0, weights, 1))
    return found[0], found[1]


def _weight(box: Box, width: int, height: int) -> Floats:
    """The distance to the nearest edge inside the picture, in x times in y: normalised, it is a linear fade."""
    left, top, right, bottom = box
    return np.outer(_tent(top, bottom, height), _tent(left, right, width))


def _tent(start: int, end: int, limit: int) -> Floats:
    place = np.arange(end - start) + 0.5
    far = np.full(end - start, float(limit))
    return np.minimum(place if start > 0 else far, (end - start) - place if end < limit else far)


def _to_image(values: Floats) -> Image.Image:
    return Image.fromarray(np.rint(values.clip(0, 255)).astype(np.uint8))
