"""Which emoji of the set does a picture look like? By a fixed descriptor that no training has seen.

Two parts over 8x8 overlapping cells of the picture at 64x64: histograms of gradient orientations (Dalal and Triggs,
2005) and mean colours. The distance of each part counts in units of its mean between two emoji of the set.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable

import numpy as np
from PIL import Image, ImageFilter

from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.datasets.scenes import Scene, draw

SIDE, CELLS, ORIENTATIONS = 64, 8, 8
LUMA = np.array([0.299, 0.587, 0.114], np.float32)

Descriptors = tuple[np.ndarray, np.ndarray]  # shape and colour, [N, features] each
Change = Callable[[np.ndarray, int], np.ndarray]  # one picture and its place in the row of pictures


class Likeness:
    """All distinct emoji of a set, on white. `places` and `nearest` take uint8 RGB pictures, [N, H, W, 3]."""

    def __init__(self, pictures: PictureSet) -> None:
        known: dict[bytes, int] = {}
        self._kinds: list[int] = []  # of each subject: the place of its picture among the distinct ones
        self._first: list[int] = []  # of each distinct picture: the first subject that has it
        for index in range(len(pictures.subjects)):
            kind = known.setdefault(hashlib.sha256(pictures.pictures[index].tobytes()).digest(), len(known))
            self._kinds.append(kind)
            if kind == len(self._first):
                self._first.append(index)
        self._emoji = describe(draw(Scene((index,)), pictures) for index in self._first)
        self._units = [float(_distances(part, part).mean()) for part in self._emoji]

    def __len__(self) -> int:
        """How many distinct pictures there are: the grinning cat and the cat face are one."""
        return len(self._first)

    def places(self, painted: np.ndarray, wanted: list[int]) -> np.ndarray:
        """The place of each wanted subject among all emoji by nearness to its picture: 1 is the nearest. [N]."""
        distances = self._to_all(painted)
        own = distances[np.arange(len(wanted)), [self._kinds[subject] for subject in wanted]]
        return 1 + (distances < own[:, None]).sum(1)

    def nearest(self, painted: np.ndarray) -> list[int]:
        """The subject that each picture is most like."""
        return [self._first[kind] for kind in self._to_all(painted).argmin(1)]

    def _to_all(self, painted: np.ndarray) -> np.ndarray:
        parts = zip(describe(painted), self._emoji, self._units)
        return np.sum([_distances(found, emoji) / unit for found, emoji, unit in parts], axis=0)


def describe(pictures: Iterable[np.ndarray]) -> Descriptors:
    """The two parts of the descriptor of uint8 RGB pictures, [N, 512] and [N, 192]."""
    small = np.stack([_shrink(picture) for picture in pictures]).astype(np.float32) / 255
    luma = small @ LUMA
    down, right = np.gradient(luma, axis=(1, 2))
    strength = np.hypot(right, down)
    direction = np.mod(np.arctan2(down, right), np.pi) / np.pi * ORIENTATIONS  # an edge and its reverse are one
    bins = [strength * _nearness(direction, bin_) for bin_ in range(ORIENTATIONS)]
    shape = np.sqrt(_pool(np.stack(bins, -1)))
    shape /= np.linalg.norm(shape, axis=1, keepdims=True) + 1e-6  # a faint picture has the same shape
    colour = _pool(np.stack([luma, small[..., 0] - luma, small[..., 2] - luma], -1))
    return shape, colour


def disturbances(size: int) -> dict[str, Change]:
    """Changes that leave an emoji what it is: what the descriptor must see through. For pictures of `size` pixels."""

    def shifted(picture: np.ndarray, place: int) -> np.ndarray:
        far = size // 32
        down, right = (far, far, -far, -far)[place % 4], (far, -far, far, -far)[place % 4]
        padded = np.pad(picture, ((far, far), (far, far), (0, 0)), constant_values=255)
        return padded[far - down : far - down + size, far - right : far - right + size]

    def blurred(picture: np.ndarray, place: int) -> np.ndarray:
        return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(size / 96)))

    def compressed(picture: np.ndarray, place: int) -> np.ndarray:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=40)
        return np.asarray(Image.open(buffer))

    return {"shifted": shifted, "blurred": blurred, "as JPEG": compressed}


def _shrink(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX))


def _nearness(direction: np.ndarray, bin_: int) -> np.ndarray:
    """1 at the bin's direction, falling to 0 at its neighbours', round the circle."""
    away = np.abs(direction - bin_)
    return np.maximum(0, 1 - np.minimum(away, ORIENTATIONS - away))


def _pool(maps: np.ndarray) -> np.ndarray:
    """[N, 64, 64, K] to [N, 8 * 8 * K] by triangular windows, so that a small shift changes little."""
    step = SIDE / CELLS
    centres = (np.arange(CELLS) + 0.5) * step - 0.5
    window = np.maximum(0, 1 - np.abs(np.arange(SIDE) - centres[:, None]) / step).astype(np.float32)
    window /= window.sum(1, keepdims=True)
    pooled = np.einsum("iy,jx,nyxk->nijk", window, window, maps, optimize=True)
    return pooled.reshape(len(maps), -1)


def _distances(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Euclidean, [len(some), len(others)]."""
    squares = (some**2).sum(1)[:, None] + (others**2).sum(1) - 2 * some @ others.T
    return np.sqrt(np.maximum(squares, 0))
