"""Colours of one picture given to another."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from modules.imaging.colour import from_lab, match_colours, to_lab


def ramp(low: tuple[int, int, int], high: tuple[int, int, int], size: tuple[int, int] = (64, 48)) -> Image.Image:
    way = np.linspace(0, 1, size[0])[None, :, None] * np.ones((size[1], 1, 1))
    return Image.fromarray(np.rint(np.array(low) * (1 - way) + np.array(high) * way).astype(np.uint8))


@pytest.mark.parametrize(
    ("rgb", "lab"),  # from Bruce Lindbloom's calculator, sRGB under D65
    [
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (53.2408, 80.0925, 67.2032)),
        ((0, 255, 0), (87.7347, -86.1827, 83.1793)),
        ((0, 0, 255), (32.2970, 79.1875, -107.8602)),
    ],
)
def test_lab_of_known_colours(rgb, lab) -> None:
    found = to_lab(np.array(rgb) / 255)
    assert found == pytest.approx(lab, abs=0.02), found


def test_lab_and_back_is_the_same() -> None:
    rgb = np.random.default_rng(0).random((50, 50, 3))
    assert np.abs(from_lab(to_lab(rgb)) - rgb).max() < 1e-9


def test_a_picture_matched_to_itself_is_unchanged() -> None:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8))
    assert np.array_equal(np.asarray(match_colours(image, image)), np.asarray(image))


def test_colours_come_from_the_target_and_brightness_stays() -> None:
    image, target = ramp((70, 90, 110), (150, 160, 190)), ramp((120, 90, 60), (190, 150, 110), (33, 20))
    made = np.asarray(match_colours(image, target)).astype(float)
    before, wanted = (np.asarray(one).astype(float) for one in (image, target))
    luma = np.array([0.299, 0.587, 0.114])
    assert np.abs(made @ luma - before @ luma).max() <= 1
    assert (before[..., 2] > before[..., 0]).all()
    assert (made[..., 0] > made[..., 2]).all()
    spans = [np.mean(to_lab(one / 255)[..., 1:], axis=(0, 1)) for one in (made, wanted)]
    assert np.abs(spans[0] - spans[1]).max() < 4, spans
