"""Noise that looks like the picture it continues."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from modules.imaging.matched_noise import fill_with_noise


def waves(width: int, height: int) -> tuple[Image.Image, np.ndarray]:
    """Blue and orange waves on the left, nothing on the right third."""
    way = (1 + np.sin(np.arange(width) / 3)[None, :, None] * np.cos(np.arange(height) / 5)[:, None, None]) / 2
    stripes = np.array((30, 60, 200)) * way + np.array((220, 140, 40)) * (1 - way)
    hole = np.zeros((height, width), bool)
    hole[:, width * 2 // 3 :] = True
    return Image.fromarray(np.where(hole[..., None], 0, stripes).astype(np.uint8)), hole


@pytest.mark.parametrize("size", [(96, 64), (97, 61), (31, 150)])
@pytest.mark.parametrize(("fall_off", "colour_variation"), [(1.0, 0.05), (0.0, 0.0), (4.0, 1.0)])
def test_known_pixels_are_untouched_and_new_ones_have_the_known_colours(size, fall_off, colour_variation) -> None:
    image, hole = waves(*size)
    made = np.asarray(fill_with_noise(image, hole, seed=1, fall_off=fall_off, colour_variation=colour_variation))
    before = np.asarray(image)
    assert np.array_equal(made[~hole], before[~hole])
    for channel in range(3):
        known, new = before[~hole][:, channel], made[hole][:, channel]
        assert known.min() <= new.min() <= new.max() <= known.max()
        for share in (10, 25, 50, 75, 90):
            levels = [np.percentile(part, share) for part in (known, new)]
            assert abs(levels[0] - levels[1]) <= 2, levels


def test_a_seed_gives_one_noise() -> None:
    image, hole = waves(60, 40)
    a, again, b = (np.asarray(fill_with_noise(image, hole, seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(a, again)
    assert not np.array_equal(a, b)


def test_a_higher_fall_off_is_smoother() -> None:
    grain = np.random.default_rng(0).integers(0, 256, (80, 120, 1)) * np.ones((1, 1, 3))
    smooth = np.asarray(Image.fromarray(grain.astype(np.uint8)).resize((30, 20)).resize((120, 80)))
    hole = np.zeros((80, 120), bool)
    hole[:, 70:] = True
    steps = []
    for fall_off in (0.0, 1.0, 2.0):
        made = np.asarray(fill_with_noise(Image.fromarray(smooth), hole, seed=1, fall_off=fall_off)).astype(int)
        steps.append(np.abs(np.diff(made[:, 71:], axis=1)).mean())
    assert steps[0] > steps[1] > steps[2], steps


@pytest.mark.parametrize("whole", [False, True])
def test_nothing_to_fill_or_nothing_known_changes_nothing(whole: bool) -> None:
    image, _ = waves(24, 20)
    made = fill_with_noise(image, np.full((20, 24), whole), seed=1)
    assert np.array_equal(np.asarray(made), np.asarray(image))


def test_a_black_picture_is_continued_in_black() -> None:
    hole = np.zeros((20, 30), bool)
    hole[:, 20:] = True
    assert fill_with_noise(Image.new("RGB", (30, 20)), hole, seed=1).getextrema() == ((0, 0),) * 3
