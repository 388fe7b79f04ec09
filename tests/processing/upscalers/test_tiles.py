"""Tiles: they cover, their weights sum to one, and cutting up changes nothing where a tile sees all that counts."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.processing.upscalers.tiles import fade_weights, run_tiled, tile_spans
from tests.processing.upscalers.tiny_nets import Pixels, photo


@st.composite
def cuts(draw: st.DrawFn) -> tuple[int, int, int]:
    tile = draw(st.integers(2, 64))
    return draw(st.integers(1, 400)), tile, draw(st.integers(0, tile // 2))


@given(cuts(), st.sampled_from([1, 2, 4]))
def test_tiles_cover_overlap_and_sum_to_one(cut: tuple[int, int, int], scale: int) -> None:
    length, tile, overlap = cut
    spans = tile_spans(length, tile, overlap)
    assert (spans[0][0], spans[-1][1]) == (0, length)
    assert all(end - begin <= tile for begin, end in spans)
    assert len({end - begin for begin, end in spans}) == 1
    assert all(before[1] - after[0] >= overlap for before, after in pairwise(spans))
    total = np.zeros(length * scale)
    for (begin, end), weight in zip(spans, fade_weights(spans, length, scale), strict=True):
        assert weight.min() >= 0
        total[begin * scale : end * scale] += weight
    assert np.allclose(total, 1, atol=1e-6)


@given(cuts())
def test_no_fewer_tiles_would_do(cut: tuple[int, int, int]) -> None:
    length, tile, overlap = cut
    count = len(tile_spans(length, tile, overlap))
    assert count == 1 or (count - 1) * (tile - overlap) + overlap < length


def test_no_tile_is_the_whole() -> None:
    assert tile_spans(5000, 0, 8) == [(0, 5000)]


def repeated(pixels: Pixels) -> Pixels:
    return pixels.repeat(2, 0).repeat(2, 1).astype(np.float32)


@pytest.mark.parametrize("size", [(1, 1), (31, 17), (64, 64), (100, 7), (65, 130)])
@pytest.mark.parametrize(("tile", "overlap"), [(0, 8), (16, 0), (16, 8), (17, 3), (64, 31)])
def test_what_looks_at_no_neighbour_is_untouched_by_cutting(size: tuple[int, int], tile: int, overlap: int) -> None:
    pixels = photo(*size)
    assert np.array_equal(run_tiled(pixels, repeated, 2, tile=tile, overlap=overlap), repeated(pixels))


def blurred(radius: int):
    """A box blur that sees `radius` pixels far, with black around what it is given, as convolutions have."""

    def run(pixels: Pixels) -> Pixels:
        height, width, _ = pixels.shape
        padded = np.pad(pixels.astype(np.float32), ((radius, radius), (radius, radius), (0, 0)))
        side = range(2 * radius + 1)
        parts = [padded[y : y + height, x : x + width] for y in side for x in side]
        return np.mean(parts, axis=0)

    return run


def test_tiles_equal_the_whole_when_the_overlap_exceeds_what_a_pixel_sees() -> None:
    pixels, run = photo(150, 90), blurred(3)
    whole = run_tiled(pixels, run, 1, tile=0, overlap=0).astype(int)
    enough = run_tiled(pixels, run, 1, tile=48, overlap=12).astype(int)  # its outer quarters are 3 pixels
    less = run_tiled(pixels, run, 1, tile=48, overlap=4).astype(int)
    assert np.abs(enough - whole).max() <= 1  # rounding of equal sums
    assert np.abs(less - whole).max() > 5


def test_a_run_can_be_stopped_between_tiles() -> None:
    done: list[tuple[int, ...]] = []

    def run(pixels: Pixels) -> Pixels:
        done.append(pixels.shape)
        return pixels.astype(np.float32)

    def check() -> None:
        if len(done) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_tiled(photo(64, 64), run, 1, tile=16, overlap=0, check=check)
    assert len(done) == 3


def test_memory_is_a_row_of_tiles_beside_the_result() -> None:
    pixels = photo(256, 1024)
    row = 64 * 2 * 256 * 2 * 3 * 4
    result = pixels.size * 4
    tracemalloc.start()
    run_tiled(pixels, repeated, 2, tile=64, overlap=8)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < result + 3 * row, (peak, result, row)
