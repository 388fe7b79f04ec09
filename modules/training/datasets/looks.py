"""What a picture looks like in a few numbers: how sharp it is, and whether another one shows the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

LOOKED_AT = 512  # pixels of the longer side at which sharpness is measured, so that it does not tell the size
HASH_SIDE, HASH_PART = 32, 8  # grey pixels that the hash is made of; lowest frequencies of them that it keeps
ALIKE_BITS, ALIKE_COLOURS = 10, 12.0  # at most: bits of 64 that differ; mean difference of 8x8 thumbnails, of 255


def sharpness(picture: Image.Image) -> float:
    """Variance of the Laplacian of the grey picture at 512 pixels: low where no edge is sharp (Pech-Pacheco, 2000)."""
    grey = picture.convert("L")
    grey.thumbnail((LOOKED_AT, LOOKED_AT), Image.Resampling.BOX)
    values = np.asarray(grey, np.float64)
    if min(values.shape) < 3:
        return 0.0
    middle = values[1:-1, 1:-1]
    around = values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:]
    return float((around - 4 * middle).var())


def perceptual_hash(picture: Image.Image) -> int:
    """64 bits: which of the lowest frequencies of the cosine transform lie above their median (pHash; Zauner, 2010).

    The mean brightness is not among them. It stays when a picture is scaled, compressed or made a little brighter.
    """
    grey = np.asarray(picture.convert("L").resize((HASH_SIDE, HASH_SIDE), Image.Resampling.LANCZOS), np.float64)
    low = (_COSINES @ grey @ _COSINES.T).round(6)  # so that what is nought in a plain picture is nought
    bits = (low > np.median(low)).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def thumbnail(picture: Image.Image) -> np.ndarray:
    """uint8 [8, 8, 3], the mean colours."""
    return np.asarray(picture.convert("RGB").resize((8, 8), Image.Resampling.BOX))


def alike(hashes: Sequence[int], thumbnails: Sequence[np.ndarray]) -> Iterator[tuple[int, int]]:
    """(earlier, later) for every picture that shows what an earlier one shows, with the first such one."""
    bits = np.array(hashes, np.uint64)
    colours = np.array(thumbnails, np.float32).reshape(len(hashes), 8 * 8 * 3)
    for later in range(1, len(hashes)):
        apart = np.bitwise_xor(bits[:later], bits[later])
        near = np.flatnonzero(np.unpackbits(apart.view(np.uint8).reshape(later, 8), axis=1).sum(1) <= ALIKE_BITS)
        near = near[np.abs(colours[near] - colours[later]).mean(1) <= ALIKE_COLOURS]
        if len(near):
            yield int(near[0]), later


def _cosines() -> np.ndarray:
    """Rows 1 to 8 of the cosine transform of 32 values, [8, 32]."""
    frequency, place = np.arange(1, HASH_PART + 1)[:, None], np.arange(HASH_SIDE)[None, :]
    return np.cos(np.pi * frequency * (2 * place + 1) / (2 * HASH_SIDE))


_COSINES = _cosines()
