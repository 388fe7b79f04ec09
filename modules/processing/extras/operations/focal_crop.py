"""Auto focal point crop: the target's shape is cut out where most is to be seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from PIL import Image

from modules.imaging.resize import cover_size
from modules.processing.extras.operation import Operation, Piece, Tools, operations
from modules.processing.extras.request import ExtrasRequest, FocalCrop
from modules.processing.extras.size import check_size, target_size

LOOKED_AT = 256  # pixels of the longer side in which interest is measured
LEVELS = 16  # grey levels of the entropy
TO_MIDDLE = 1e-3  # so little is the middle preferred where all is alike


def focal_crop(piece: Piece, request: ExtrasRequest, tools: Tools) -> Sequence[Piece]:
    wish = request.dataset.focal
    assert wish is not None
    image = piece.image
    width, height = target_size(image.width, image.height, request.size)
    size = cover_size(image.width, image.height, width, height)
    check_size(*size)
    scaled = image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
    left, top = focal_offset(scaled, width, height, wish)
    return [dataclasses.replace(piece, image=scaled.crop((left, top, left + width, top + height)))]


def focal_offset(image: Image.Image, width: int, height: int, wish: FocalCrop) -> tuple[int, int]:
    """Left and top of the most interesting window; only one of the two is free."""
    if image.size == (width, height):
        return 0, 0
    small = image.convert("L")
    small.thumbnail((LOOKED_AT, LOOKED_AT))
    grey = np.asarray(small, np.float64)
    if image.width > width:
        return round(best_start(grey.T, width / image.width, wish) * (image.width - width)), 0
    return 0, round(best_start(grey, height / image.height, wish) * (image.height - height))


def best_start(grey: np.ndarray, part: float, wish: FocalCrop) -> float:
    """Where along the first axis a window of this part of it begins: 0 at the start, 1 at the end.

    grey: [0, 255]. Outlines count most in the middle of the window, so that what has them comes to stand there.
    """
    rows = max(round(grey.shape[0] * part), 1)
    begins = np.arange(grey.shape[0] - rows + 1)
    down, across = np.gradient(grey) if min(grey.shape) > 1 else (np.zeros_like(grey), np.zeros_like(grey))
    outlines = (down**2 + across**2).sum(1)
    weight = 1 - np.linspace(-1, 1, rows) ** 2 * 0.5
    edges = np.array([(outlines[at : at + rows] * weight).sum() for at in begins])
    levels = (grey * LEVELS / 256).astype(int)
    counts = np.stack([(levels == level).sum(1) for level in range(LEVELS)])  # [LEVELS, rows of the picture]
    entropy = np.array([_entropy(counts[:, at : at + rows].sum(1)) for at in begins])
    middle = np.abs(begins / max(begins[-1], 1) - 0.5)
    score = wish.edges * _share(edges) + wish.entropy * _share(entropy) - TO_MIDDLE * middle
    return float(begins[int(score.argmax())] / max(begins[-1], 1))


def _entropy(counts: np.ndarray) -> float:
    """Shannon's, in bits."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def _share(values: np.ndarray) -> np.ndarray:
    most = float(values.max())
    return values / most if most > 0 else values


operations.add(
    "Auto focal point crop",
    Operation(order=4010, wanted=lambda request: request.dataset.focal is not None, apply=focal_crop),
)
