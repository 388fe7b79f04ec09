"""Tiles: cut, and put together without seams."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import UserError
from modules.imaging.tiles import stitch_linear, stitch_poisson, tile_boxes

CASES = [(1024, 768, 512, 512, 64), (700, 513, 512, 512, 64), (100, 90, 512, 512, 64), (65, 130, 32, 48, 0)]
CASES += [(1000, 50, 64, 64, 40), (64, 64, 64, 64, 10), (97, 101, 40, 30, 29)]


def smooth(width: int, height: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    waves = [128 + 60 * np.sin(x / 17 + channel) * np.cos(y / 23 - channel) for channel in range(3)]
    return np.rint(np.stack(waves, axis=-1)).astype(np.uint8)


@pytest.mark.parametrize(("width", "height", "tile_width", "tile_height", "overlap"), CASES)
def test_tiles_cover_the_picture_and_overlap(width, height, tile_width, tile_height, overlap) -> None:
    boxes = tile_boxes(width, height, tile_width, tile_height, overlap)
    seen = np.zeros((height, width), int)
    for left, top, right, bottom in boxes:
        assert (right - left, bottom - top) == (min(tile_width, width), min(tile_height, height))
        seen[top:bottom, left:right] += 1
    assert seen.min() == 1 or len(boxes) > 1
    assert seen.all()
    for axis, tile, length in ((0, tile_width, width), (1, tile_height, height)):
        starts = sorted({box[axis] for box in boxes})
        assert starts[0] == 0
        assert starts[-1] + min(tile, length) == length
        assert all(starts[at] + tile - starts[at + 1] >= overlap for at in range(len(starts) - 1))
        fewer = len(starts) - 1
        assert fewer == 0 or fewer * tile - (fewer - 1) * overlap < length  # one tile less could not cover it


@pytest.mark.parametrize("overlap", [-1, 48, 100])
def test_an_overlap_as_large_as_a_tile_is_refused(overlap: int) -> None:
    with pytest.raises(UserError, match="does not fit"):
        tile_boxes(100, 100, 64, 48, overlap)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("stitch", [stitch_linear, stitch_poisson])
def test_tiles_of_one_picture_give_the_picture(case, stitch) -> None:
    boxes = tile_boxes(*case)
    if stitch is stitch_poisson and case[-1] == 0:
        pytest.skip("tiles that only touch say nothing of the step between them")
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (case[1], case[0], 3), np.uint8))
    made = stitch([image.crop(box) for box in boxes], boxes)
    assert np.array_equal(np.asarray(made), np.asarray(image))


def test_two_flat_tiles_fade_linearly() -> None:
    boxes = [(0, 0, 30, 8), (20, 0, 50, 8)]
    tiles = [Image.new("RGB", (30, 8), (grey,) * 3) for grey in (0, 200)]
    row = np.asarray(stitch_linear(tiles, boxes))[3, :, 0].astype(float)
    expected = np.concatenate([np.zeros(20), 200 * (np.arange(10) + 0.5) / 10, np.full(20, 200)])
    assert np.abs(row - expected).max() <= 0.5


def test_poisson_spreads_a_step_of_colour_that_a_linear_fade_shows() -> None:
    scene = smooth(400, 300)
    boxes = tile_boxes(400, 300, 160, 160, 16)
    shifts = np.random.default_rng(1).integers(-20, 21, (len(boxes), 3))
    tiles = [
        Image.fromarray(np.clip(scene[top:bottom, left:right].astype(int) + shift, 0, 255).astype(np.uint8))
        for (left, top, right, bottom), shift in zip(boxes, shifts)
    ]
    steps = {}
    for stitch in (stitch_linear, stitch_poisson):
        wrong = (
            np.asarray(stitch(tiles, boxes)).astype(float) - scene
        )  # the shifts alone, without the scene's own edges
        wrong = np.cumsum(np.cumsum(np.pad(wrong, ((1, 0), (1, 0), (0, 0))), 0), 1)
        calm = (wrong[5:, 5:] - wrong[5:, :-5] - wrong[:-5, 5:] + wrong[:-5, :-5]) / 25  # without rounding
        steps[stitch] = max(np.abs(np.diff(calm, axis=axis)).max() for axis in (0, 1))
    print(steps)
    assert steps[stitch_poisson] < steps[stitch_linear] / 3, steps
