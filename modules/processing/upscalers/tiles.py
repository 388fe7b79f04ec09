"""A network over a picture in tiles that overlap: memory grows with a tile and a row of tiles, not with the picture."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from modules.processing.upscalers.upscaler import Check, no_check

Pixels = np.ndarray  # uint8 or float32, [height, width, 3]
Run = Callable[[Pixels], Pixels]  # uint8 [h, w, 3] -> float32 [h scale, w scale, 3] in [0, 255]


def run_tiled(pixels: Pixels, run: Run, scale: int, *, tile: int, overlap: int, check: Check = no_check) -> Pixels:
    """uint8 [scale h, scale w, 3]. tile: pixels of a side at most, 0 for whole pictures. overlap: half a tile at most.

    Of each overlap the outer quarters, which lack what is around them, are thrown away; its middle is faded linearly.
    """
    height, width = pixels.shape[:2]
    rows, columns = tile_spans(height, tile, overlap), tile_spans(width, tile, overlap)
    down, across = fade_weights(rows, height, scale), fade_weights(columns, width, scale)
    result = np.empty((height * scale, width * scale, 3), np.uint8)
    strip = np.zeros(((rows[0][1] - rows[0][0]) * scale, width * scale, 3), np.float32)
    for row, (top, bottom) in enumerate(rows):
        for column, (left, right) in enumerate(columns):
            check()
            done = run(pixels[top:bottom, left:right])
            done *= (down[row][:, None] * across[column][None, :])[..., None]
            strip[:, left * scale : right * scale] += done
        ready = (rows[row + 1][0] if row + 1 < len(rows) else height) * scale
        count = ready - top * scale  # rows that no later tile reaches
        finished = strip[:count]
        np.rint(finished, out=finished)
        result[top * scale : ready] = np.clip(finished, 0, 255, out=finished)
        strip[: len(strip) - count] = strip[count:].copy()
        strip[len(strip) - count :] = 0
    return result


def tile_spans(length: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """(begin, end) of as few equal tiles as cover the length; neighbours share `overlap` pixels or one more."""
    if not tile or length <= tile:
        return [(0, length)]
    count = math.ceil((length - overlap) / (tile - overlap))
    side = math.ceil((length + (count - 1) * overlap) / count)
    begins = [(length - side) * n // (count - 1) for n in range(count)]
    return [(begin, begin + side) for begin in begins]


def fade_weights(spans: list[tuple[int, int]], length: int, scale: int) -> list[Pixels]:
    """For each tile the weight of each of its enlarged pixels, float32 [(end - begin) scale]; together they are 1."""
    total = np.zeros(length * scale, np.float64)
    found = []
    for n, (begin, end) in enumerate(spans):
        weight = np.ones((end - begin) * scale)
        if n > 0:
            weight *= _ramp(len(weight), (spans[n - 1][1] - begin) * scale)
        if n + 1 < len(spans):
            weight *= _ramp(len(weight), (end - spans[n + 1][0]) * scale)[::-1]
        total[begin * scale : end * scale] += weight
        found.append(weight)
    return [
        (weight / total[begin * scale : end * scale]).astype(np.float32) for weight, (begin, end) in zip(found, spans)
    ]


def _ramp(length: int, shared: int) -> np.ndarray:
    """0 in the first quarter of what is shared, 1 from its last quarter on, rising between them."""
    place = (np.arange(length) + 0.5) / max(shared, 1)
    return np.clip(place * 2 - 0.5, 0, 1) if shared else np.ones(length)
