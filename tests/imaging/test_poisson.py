"""Gradient-domain blending, against dense solutions of the plain equations."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PIL import Image, ImageDraw

from modules.imaging import poisson
from modules.imaging.poisson import membrane, poisson_blend, screened_poisson

RNG = np.random.default_rng


def dense_membrane(inside: np.ndarray, known: np.ndarray) -> np.ndarray:
    """One equation per pixel, written out: outside u = known, inside u = the mean of its neighbours."""
    height, width, channels = known.shape
    matrix, rhs = np.zeros((height * width, height * width)), np.zeros((height * width, channels))
    for y in range(height):
        for x in range(width):
            row = y * width + x
            matrix[row, row] = 1
            if not inside[y, x]:
                rhs[row] = known[y, x]
                continue
            places = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
            places = [(b, a) for b, a in places if 0 <= a < width and 0 <= b < height]
            for b, a in places:
                matrix[row, b * width + a] = -1 / len(places)
    return np.linalg.solve(matrix, rhs).reshape(known.shape)


def shapes(width: int, height: int) -> dict[str, np.ndarray]:
    def drawn(draw) -> np.ndarray:
        image = Image.new("L", (width, height))
        draw(ImageDraw.Draw(image))
        return np.asarray(image) > 0

    return {
        "disc": drawn(lambda on: on.ellipse((3, 2, width - 4, height - 3), fill=255)),
        "left border": drawn(lambda on: on.rectangle((0, 0, width // 2, height), fill=255)),
        "frame": ~drawn(lambda on: on.rectangle((6, 7, width - 9, height - 5), fill=255)),
        "specks": RNG(5).random((height, width)) < 0.6,
        "one pixel": drawn(lambda on: on.point((4, 4), fill=255)),
        "all but one": ~drawn(lambda on: on.point((4, 4), fill=255)),
    }


@pytest.mark.parametrize("shape", shapes(24, 24))
@pytest.mark.parametrize("size", [(24, 21), (21, 24)])
@pytest.mark.parametrize("coarsest", [4000, 20])
def test_the_membrane_is_the_dense_solution(shape, size, coarsest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poisson, "COARSEST", coarsest)  # 20: several levels also for these few pixels
    inside = shapes(*size)[shape]
    known = RNG(1).normal(0, 60, (size[1], size[0], 3))
    worst = np.abs(membrane(inside, known) - dense_membrane(inside, known)).max()
    assert worst < 0.05, worst


def test_a_large_hole_in_a_harmonic_picture_is_closed_exactly_and_fast() -> None:
    y, x = np.mgrid[:900, :900] / 900
    harmonic = 100 * np.stack([x * x - y * y, np.exp(x) * np.sin(y), x * y], axis=-1)
    discrete = harmonic[..., [0, 2]]  # these two are harmonic on the grid too
    inside = (x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.2
    started = time.monotonic()
    worst = np.abs(membrane(inside, np.where(inside[..., None], 0, discrete)) - discrete).max()
    took = time.monotonic() - started
    assert worst < 0.05, worst
    assert took < 10, took  # 0.7 s measured; a direct solution takes 5 s


def test_a_shifted_paste_takes_the_surrounding_level() -> None:
    y, x = np.mgrid[:64, :64]
    scene = np.stack([60 + x, 80 + y, 90 + (x + y) // 2], axis=-1).astype(np.uint8)
    mask = Image.new("L", (64, 64))
    ImageDraw.Draw(mask).ellipse((12, 14, 50, 52), fill=255)
    painted = Image.fromarray(np.clip(scene.astype(int) + (40, -30, 20), 0, 255).astype(np.uint8))
    made = np.asarray(poisson_blend(Image.fromarray(scene), painted, mask)).astype(int)
    assert np.abs(made - scene).max() <= 1


def test_unmasked_pixels_are_untouched() -> None:
    original, painted = (Image.fromarray(RNG(seed).integers(0, 256, (40, 50, 3), np.uint8)) for seed in (1, 2))
    mask = Image.fromarray(RNG(3).integers(0, 256, (40, 50), np.uint8))
    outside = np.asarray(mask) <= 127
    made = np.asarray(poisson_blend(original, painted, mask))
    assert np.array_equal(made[outside], np.asarray(original)[outside])
    for value, whole in ((0, original), (255, painted)):
        assert np.array_equal(
            np.asarray(poisson_blend(original, painted, Image.new("L", (50, 40), value))), np.asarray(whole)
        )


def test_screened_poisson_is_the_dense_least_squares_solution() -> None:
    height, width, weight = 7, 9, 0.03
    across, down = RNG(1).normal(size=(height, width - 1)), RNG(2).normal(size=(height - 1, width))
    rows, wanted = [], []
    for y in range(height):
        for x in range(width):
            for y2, x2, wish in ((y, x + 1, across), (y + 1, x, down)):
                if y2 < height and x2 < width:
                    row = np.zeros((height, width))
                    row[y2, x2], row[y, x] = 1, -1
                    rows.append(row.ravel())
                    wanted.append(wish[y, x])
    rows += list(np.sqrt(weight) * np.eye(height * width))
    wanted += [0.0] * (height * width)
    expected = np.linalg.lstsq(np.array(rows), np.array(wanted), rcond=None)[0].reshape(height, width)
    assert screened_poisson(across, down, weight) == pytest.approx(expected, abs=1e-10)
