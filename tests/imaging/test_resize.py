"""Sizes and places of resized pictures, against plain arithmetic with fractions."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from PIL import Image

from modules.imaging.resize import cover_size, fit_size, resize_picture

SIZES = [(1, 1), (7, 5), (64, 64), (65, 63), (100, 33), (3, 200)]
TARGETS = [(64, 64), (64, 33), (31, 70), (101, 7), (8, 97), (1, 50)]
PAIRS = [(size, target) for size in SIZES for target in TARGETS]


def noise(size: tuple[int, int], low: int = 0, high: int = 256) -> Image.Image:
    return Image.fromarray(np.random.default_rng(size[0]).integers(low, high, (size[1], size[0], 3), np.uint8))


@pytest.mark.parametrize(("size", "target"), PAIRS)
@pytest.mark.parametrize("mode", ["just", "crop", "fill"])
def test_the_size_is_exact_and_no_pixel_is_left_empty(size, target, mode) -> None:
    made = np.asarray(resize_picture(Image.new("RGB", size, (90, 120, 200)), *target, mode))
    assert made.shape == (target[1], target[0], 3)
    assert (made == (90, 120, 200)).all()


@pytest.mark.parametrize(("size", "target"), PAIRS)
def test_cover_and_fit_keep_the_aspect(size, target) -> None:
    by_side = Fraction(target[0], size[0]), Fraction(target[1], size[1])
    assert cover_size(*size, *target) == tuple(floor(side * max(by_side)) for side in size)
    assert fit_size(*size, *target) == tuple(max(floor(side * min(by_side)), 1) for side in size)


@pytest.mark.parametrize(("size", "target"), PAIRS)
def test_a_crop_is_the_middle_of_the_covering_picture(size, target) -> None:
    image = noise(size)
    scale = max(Fraction(target[0], size[0]), Fraction(target[1], size[1]))
    width, height = floor(size[0] * scale), floor(size[1] * scale)
    whole = np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))
    left, top = width // 2 - target[0] // 2, height // 2 - target[1] // 2
    expected = whole[top : top + target[1], left : left + target[0]]
    assert np.array_equal(np.asarray(resize_picture(image, *target, "crop")), expected)


@pytest.mark.parametrize(("size", "target"), PAIRS)
def test_bars_continue_the_edge(size, target) -> None:
    """A bicubic kernel that stands on the border sees the edge row as 9/8 and the one behind it as -1/8."""
    image = noise(size, 60, 190)
    scale = min(Fraction(target[0], size[0]), Fraction(target[1], size[1]))
    width, height = (max(floor(side * scale), 1) for side in size)
    inner = np.asarray(image.resize((width, height), Image.Resampling.LANCZOS)).astype(float)
    left, top = target[0] // 2 - width // 2, target[1] // 2 - height // 2
    right, bottom = target[0] - width - left, target[1] - height - top
    made = np.asarray(resize_picture(image, *target, "fill")).astype(float)
    assert np.array_equal(made[top : top + height, left : left + width], inner)

    def edge(lines: np.ndarray) -> np.ndarray:
        return lines[0] if len(lines) == 1 else np.clip(lines[0] * 9 / 8 - lines[1] / 8, 0, 255)

    columns = inner.swapaxes(0, 1)
    for bar, line in (
        (made[:top], edge(inner)),
        (made[target[1] - bottom :], edge(inner[::-1])),
        (made[:, :left].swapaxes(0, 1), edge(columns)),
        (made[:, target[0] - right :].swapaxes(0, 1), edge(columns[::-1])),
    ):
        assert bar.shape[0] == 0 or np.abs(bar - line).max() <= 0.51, np.abs(bar - line).max()


def test_an_upscaler_takes_lanczos_place_only_when_a_side_grows() -> None:
    asked = []

    def enlarge(image: Image.Image, width: int, height: int) -> Image.Image:
        asked.append((width, height))
        return Image.new("RGB", (width, height), "red")

    assert resize_picture(noise((40, 20)), 80, 10, "just", enlarge).getpixel((0, 0)) == (255, 0, 0)
    resize_picture(noise((40, 20)), 60, 60, "crop", enlarge)
    resize_picture(noise((40, 20)), 40, 20, "just", enlarge)
    resize_picture(noise((40, 20)), 20, 20, "fill", enlarge)
    resize_picture(noise((40, 20)).convert("L"), 80, 80, "just", enlarge)
    assert asked == [(80, 10), (120, 60)]


@pytest.mark.parametrize(("mode", "kept"), [("L", "L"), ("RGBA", "RGBA"), ("P", "RGB"), ("1", "L")])
def test_the_colour_mode_is_kept(mode: str, kept: str) -> None:
    assert [resize_picture(noise((9, 9)).convert(mode), 8, 5, how).mode for how in ("just", "crop", "fill")] == [
        kept
    ] * 3


@pytest.mark.parametrize(
    ("size", "target"), [((1, 60000), (512, 512)), ((60001, 1), (512, 64)), ((2, 9000), (320, 65))]
)
def test_a_very_long_picture_is_not_enlarged_as_a_whole(size, target) -> None:
    asked: list[tuple[int, int]] = []

    def enlarge(image: Image.Image, width: int, height: int) -> Image.Image:
        asked.append((width, height))
        return image.resize((width, height))

    assert resize_picture(Image.new("RGB", size), *target, "crop", enlarge).size == target
    assert asked[0][0] * asked[0][1] <= 16 * max(target) ** 2


def test_the_middle_of_a_very_long_picture_is_what_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image.fromarray(np.linspace(0, 255, 4000)[:, None].repeat(8, 1).astype(np.uint8))
    for height in (100, 101):
        whole = np.asarray(resize_picture(image, 100, height, "crop")).astype(int)
        monkeypatch.setattr("modules.imaging.resize.LARGE", 0)
        made = np.asarray(resize_picture(image, 100, height, "crop")).astype(int)
        monkeypatch.undo()
        assert np.abs(whole - made).max() <= 1
