"""Aspect-ratio buckets: pictures of any shape in batches of one shape and about one area (NovelAI, 2022)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Size = tuple[int, int]  # (width, height), pixels


def bucket_sizes(side: int, step: int, most_ratio: float) -> list[Size]:
    """Every (width, height) in multiples of `step` that is as near to side * side pixels as its width allows, sorted.

    None has more pixels than that, or one side over `most_ratio` times the other. Turned round, the list is the same.
    """
    sizes = set()
    for short in range(step, side + 1, step):
        long = side * side // short // step * step
        if long <= most_ratio * short:
            sizes |= {(short, long), (long, short)}
    return sorted(sizes)


def nearest_bucket(size: Size, buckets: Sequence[Size]) -> Size:
    """The bucket of the most similar aspect ratio, by its logarithm: portrait and landscape are treated alike."""
    wanted = math.log(size[0] / size[1])
    return min(buckets, key=lambda one: (abs(math.log(one[0] / one[1]) - wanted), -one[0] * one[1], one))


class BucketDraws:
    """Draws batches of one shape, so that every item comes up as often as its weight says, whatever its bucket.

    A bucket is drawn by the sum of its members' weights, then all of the batch within it: no batch is left partial,
    and no order must be kept for a run that is continued.
    """

    def __init__(self, sizes: Sequence[Size], weights: np.ndarray) -> None:
        self.buckets = sorted(set(sizes))
        number = {size: index for index, size in enumerate(self.buckets)}
        self.bucket_of = np.array([number[size] for size in sizes])
        self.members = [np.flatnonzero(self.bucket_of == index) for index in range(len(self.buckets))]
        self.row_of = np.empty(len(sizes), np.int64)  # the place of an item among the members of its bucket
        for members in self.members:
            self.row_of[members] = np.arange(len(members))
        self._chances = [weights[members].cumsum() for members in self.members]
        self._shares = np.array([one[-1] for one in self._chances]).cumsum()

    def draw(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """`count` items of one bucket."""
        bucket = 0
        if len(self.buckets) > 1:
            bucket = _place(self._shares, generator.random(1))[0]
        return self.members[bucket][_place(self._chances[bucket], generator.random(count))]


def _place(chances: np.ndarray, draws: np.ndarray) -> np.ndarray:
    return np.searchsorted(chances, draws * chances[-1], side="right")
