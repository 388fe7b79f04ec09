"""Masks: what is painted, what is kept, and where one works."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image, ImageDraw

from modules.core.errors import UserError
from modules.imaging.masks import blur_mask, fill_hole, flatten, grow_box, keep_outside, mask_box, read_mask


def noise(width: int, height: int, channels: int = 3, seed: int = 0) -> Image.Image:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))


def square(width: int, height: int, box: tuple[int, int, int, int], value: int = 255) -> Image.Image:
    mask = Image.new("L", (width, height))
    mask.paste(value, box)
    return mask


def test_alpha_above_128_is_masked() -> None:
    image = noise(40, 30, 4)
    alpha = np.asarray(image)[..., 3]
    assert np.array_equal(np.asarray(read_mask(image)), np.where(alpha > 128, 255, 0))
    assert np.array_equal(np.asarray(read_mask(image, round=False)), alpha)


def test_an_opaque_picture_is_read_by_its_grey_unrounded() -> None:
    grey = noise(40, 30, 1)
    opaque = Image.merge("RGBA", (grey, grey, grey, Image.new("L", grey.size, 255)))
    for image in (grey, opaque, opaque.convert("RGB")):
        assert np.array_equal(np.asarray(read_mask(image)), np.asarray(grey))


@pytest.mark.parametrize(("x", "y"), [(4, 4), (0, 3), (7.5, 0), (0.4, 64), (12, 12)])
@pytest.mark.parametrize("size", [(50, 40), (3, 60), (64, 2)])
def test_blur_is_a_gaussian_over_mirrored_borders(x: float, y: float, size: tuple[int, int]) -> None:
    mask = noise(*size, 1)
    expected = np.asarray(mask).astype(float)
    for axis, deviation in ((1, x), (0, y)):
        reach = int(2.5 * deviation + 0.5)
        if deviation == 0 or expected.shape[axis] == 1:
            continue
        width = [(0, 0), (0, 0)]
        width[axis] = (reach, reach)
        padded = np.pad(expected, width, mode="reflect")
        weights = [np.exp(-(at**2) / (2 * deviation**2)) for at in range(-reach, reach + 1)]
        length = expected.shape[axis]
        parts = [weight * np.take(padded, range(at, at + length), axis) for at, weight in enumerate(weights)]
        expected = np.sum(parts, axis=0) / sum(weights)
    worst = np.abs(np.asarray(blur_mask(mask, x, y)) - expected).max()
    assert worst <= 0.5 + 1e-6, worst


def test_no_blur_changes_nothing_and_a_blur_keeps_flat_masks() -> None:
    mask = noise(20, 20, 1)
    assert np.array_equal(np.asarray(blur_mask(mask, 0, 0)), np.asarray(mask))
    for value in (0, 255):
        assert blur_mask(Image.new("L", (30, 5), value), 9, 9).getextrema() == (value, value)


def test_the_box_is_padded_inside_the_picture() -> None:
    mask = square(100, 80, (10, 20, 30, 70), value=1)
    assert mask_box(mask) == (10, 20, 30, 70)
    assert mask_box(mask, 8) == (2, 12, 38, 78)
    assert mask_box(mask, 32) == (0, 0, 62, 80)
    assert mask_box(Image.new("L", (100, 80)), 32) is None


BOXES = [(0, 0, 1, 1), (10, 10, 20, 60), (60, 3, 99, 9), (0, 70, 100, 80), (0, 0, 100, 80), (90, 40, 100, 80)]


@pytest.mark.parametrize(("box", "aspect"), list(itertools.product(BOXES, [(1, 1), (512, 768), (1920, 64), (3, 1000)])))
def test_a_grown_box_holds_the_old_one_inside_the_picture_and_has_the_aspect(box, aspect) -> None:
    width, height = 100, 80
    left, top, right, bottom = grow_box(box, *aspect, width, height)
    assert 0 <= left <= box[0] < box[2] <= right <= width
    assert 0 <= top <= box[1] < box[3] <= bottom <= height
    wide, high = right - left, bottom - top
    fits = abs(wide * aspect[1] - high * aspect[0]) < max(aspect)  # less than a pixel off
    stuck = wide == width if wide * aspect[1] < high * aspect[0] else high == height
    assert fits or stuck, (left, top, right, bottom)


@pytest.mark.parametrize(
    ("box", "grown"),
    [
        ((40, 40, 50, 45), (40, 38, 50, 48)),  # 5 more: 2 above, 3 below
        ((0, 40, 4, 60), (0, 40, 20, 60)),  # moved in from the left
        ((97, 40, 100, 60), (80, 40, 100, 60)),  # and from the right
        ((0, 10, 90, 20), (0, 0, 90, 80)),  # cut: the picture is not high enough
    ],
)
def test_a_box_grows_around_its_middle(box, grown) -> None:
    assert grow_box(box, 64, 64, 100, 80) == grown


def test_a_filled_hole_keeps_what_is_outside_and_continues_it_inside() -> None:
    image = noise(120, 90)
    mask = square(120, 90, (40, 30, 80, 60))
    filled = np.asarray(fill_hole(image, mask))
    outside = np.asarray(mask) == 0
    assert np.array_equal(filled[outside], np.asarray(image)[outside])
    flat = Image.new("RGB", (120, 90), (200, 120, 40))
    ImageDraw.Draw(flat).rectangle((40, 30, 79, 59), fill="blue")
    hole = np.asarray(fill_hole(flat, mask))[30:60, 40:80].astype(int)
    worst = np.abs(hole - (200, 120, 40)).max()
    assert worst <= 6, worst  # bytes of colour times little alpha
    halves = Image.new("RGB", (120, 90), (220, 0, 0))
    halves.paste((0, 0, 220), (60, 0, 120, 90))
    across = np.asarray(fill_hole(halves, mask))[45, 40:80].astype(int)
    assert across[0, 0] > 180 > 60 > across[0, 2]
    assert across[-1, 2] > 180 > 60 > across[-1, 0]


def test_transparency_shows_the_background() -> None:
    image = Image.new("RGBA", (2, 1), (10, 20, 30, 255))
    image.putpixel((1, 0), (10, 20, 30, 0))
    flat = flatten(image, "#ff8000")
    assert (flat.mode, flat.getpixel((0, 0)), flat.getpixel((1, 0))) == ("RGB", (10, 20, 30), (255, 128, 0))
    with pytest.raises(UserError, match="no colour"):
        flatten(image, "sky")


def test_unmasked_pixels_are_untouched() -> None:
    original, painted, mask = noise(64, 64), noise(64, 64, seed=1), noise(64, 64, 1)
    made = np.asarray(keep_outside(original, painted, mask)).astype(int)
    share = np.asarray(mask)[..., None] / 255
    expected = np.asarray(painted) * share + np.asarray(original) * (1 - share)
    assert np.abs(made - expected).max() <= 1
    for value, of in ((0, original), (255, painted)):
        where = np.asarray(mask) == value
        assert where.any()
        assert np.array_equal(made[where], np.asarray(of)[where])
