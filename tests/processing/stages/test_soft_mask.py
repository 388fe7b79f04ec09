"""Soft inpainting: how the original and the painting are mixed, and what covers the original in the end."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch

from modules.processing.requests import SOFT_RANGES, SoftInpainting
from modules.processing.stages.soft_mask import SoftBlend, changed, changed_masks, mix_latents, window_mean

SOFT = SoftInpainting()


def latents(seed: int, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 4, 6, 5, generator=torch.Generator().manual_seed(seed))


def shares(seed: int = 3, batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 1, 6, 5, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("sigma", [14.6, 1.0, 0.03, 0.0])
def test_white_is_the_painters_at_every_step(sigma: float) -> None:
    blend = SoftBlend(latents=latents(1), mask=torch.ones(2, 1, 6, 5), soft=SOFT)
    assert torch.equal(blend(latents(2), torch.full((2,), sigma), 0), latents(2))


@pytest.mark.parametrize("sigma", [14.6, 1.0, 0.03])
def test_black_stays_the_originals_while_there_is_noise(sigma: float) -> None:
    blend = SoftBlend(latents=latents(1), mask=torch.zeros(2, 1, 6, 5), soft=SOFT)
    assert torch.equal(blend(latents(2), torch.full((2,), sigma), 0), latents(1))


def test_the_last_latents_are_left_alone() -> None:
    for bias in (0.0, 1.0):
        blend = SoftBlend(latents=latents(1), mask=shares(), soft=SoftInpainting(schedule_bias=bias))
        assert torch.equal(blend(latents(2), torch.zeros(2), 20), latents(2))


def test_grey_follows_the_original_early_and_the_painter_late() -> None:
    """mask ** (sigma ** bias * strength) of the painter, by plain Python for one latent vector."""
    blend = SoftBlend(latents=latents(1), mask=shares(), soft=SoftInpainting(schedule_bias=1.5))
    sigma = torch.tensor([4.0, 0.5])
    made = blend(latents(2), sigma, 0)
    for row, level in enumerate((4.0, 0.5)):
        share = float(shares()[row, 0, 2, 3]) ** (level**1.5 * 0.5)
        a, b = (latents(seed)[row, :, 2, 3].double().numpy() for seed in (1, 2))
        mixed = a * (1 - share) + b * share
        length = (np.linalg.norm(a) ** 4 * (1 - share) + np.linalg.norm(b) ** 4 * share) ** 0.25
        expected = mixed / np.linalg.norm(mixed) * length
        assert made[row, :, 2, 3].numpy() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("contrast", [1.0, 4.0, 32.0])
def test_a_mixture_is_as_long_as_its_parts(contrast: float) -> None:
    a, b = latents(1), latents(2)
    low = torch.minimum(a.norm(dim=1), b.norm(dim=1))
    high = torch.maximum(a.norm(dim=1), b.norm(dim=1))
    length = mix_latents(a, b, shares(), contrast).norm(dim=1)
    assert ((length >= low * 0.9999) & (length <= high * 1.0001)).all()
    huge = mix_latents(a * 1e6, b * 1e6, shares(), contrast)
    assert torch.isfinite(huge).all()


def slow_window_mean(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Pixel by pixel: the neighbours stacked by value, each as high as its weight; the mean of a part of the stack."""
    height, width = values.shape
    made = np.zeros_like(values)
    for y in range(height):
        for x in range(width):
            stack = sorted(
                (values[b, a], np.exp(-((a - x) ** 2 + (b - y) ** 2) / 1.5**2))
                for b in range(max(y - 2, 0), min(y + 3, height))
                for a in range(max(x - 2, 0), min(x + 3, width))
            )
            total = sum(weight for _, weight in stack)
            start, end = total * low, total * high
            if end - start < 1:
                start, end = max((start + end) / 2 - 0.5, 0), min((start + end) / 2 + 0.5, total)
            place = inner = covered = 0.0
            for value, weight in stack:
                part = max(min(place + weight, end) - max(place, start), 0)
                inner, covered, place = inner + value * part, covered + part, place + weight
            made[y, x] = inner / covered
    return made


@pytest.mark.parametrize(("low", "high"), [(0.9, 1.0), (0.25, 0.75), (0.0, 1.0)])
def test_the_calming_window_is_the_slow_one(low: float, high: float) -> None:
    values = np.random.default_rng(0).random((9, 7))
    assert window_mean(values, low, high) == pytest.approx(slow_window_mean(values, low, high), abs=1e-12)


def test_half_of_the_painting_shows_at_the_threshold() -> None:
    flat = np.full((8, 8), 0.7)
    grey = np.full((8, 8), 0.5)
    at = changed(flat, grey, SoftInpainting(difference_threshold=0.7))
    assert at == pytest.approx(0.5, abs=1e-4)
    more, less = (changed(flat * k, grey, SoftInpainting(difference_threshold=0.7)).mean() for k in (2, 0.5))
    assert less < 0.2 < 0.8 < more


def test_the_masks_influence_hides_black_and_shows_white() -> None:
    soft = SoftInpainting(mask_influence=1.0)
    flat = np.full((6, 6), 0.5)
    assert changed(flat, np.zeros((6, 6)), soft).max() < 1e-6
    assert changed(flat, np.ones((6, 6)), soft).min() > 1 - 1e-6


@pytest.mark.parametrize("name", [one.name for one in fields(SoftInpainting)])
@pytest.mark.parametrize("end", [0, 1])
def test_every_end_of_every_range_gives_numbers_and_unchanged_is_black(name: str, end: int) -> None:
    soft = SoftInpainting(**{name: float(SOFT_RANGES[name][end])})
    blend = SoftBlend(latents=latents(1), mask=shares(), soft=soft)
    for sigma in (14.6, 0.03):
        assert torch.isfinite(blend(latents(2), torch.full((2,), sigma), 0)).all()
    assert np.isfinite(changed(np.random.default_rng(0).random((6, 5)), shares()[0, 0].double().numpy(), soft)).all()
    assert [one.getextrema() for one in changed_masks(blend, latents(1), (40, 48))] == [(0, 0)] * 2


def test_what_changed_is_white_in_the_picture_and_far_away_black() -> None:
    before = torch.zeros(1, 4, 16, 16)
    after = before.clone()
    after[:, :, 4:12, 4:8] = 3
    blend = SoftBlend(latents=before, mask=torch.ones(1, 1, 16, 16), soft=SOFT)
    mask = np.asarray(changed_masks(blend, after, (131, 128))[0])
    assert mask.shape == (128, 131)
    assert mask[64, 48] > 250
    assert mask[:, 125:].max() == 0


def test_one_picture_of_a_batch_is_mixed_as_it_would_be_alone() -> None:
    blend = SoftBlend(latents=latents(1), mask=shares(), soft=SOFT)
    whole = blend(latents(2), torch.full((2,), 2.0), 0)
    assert torch.equal(blend.only(1)(latents(2)[1:], torch.full((1,), 2.0), 0), whole[1:])


def test_of_an_interrupted_batch_the_finished_pictures_are_covered() -> None:
    before, after = torch.zeros(3, 4, 8, 8), torch.rand(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    blend = SoftBlend(latents=before, mask=torch.ones(3, 1, 8, 8), soft=SOFT)
    assert changed_masks(blend, after[:2], (64, 64)) == changed_masks(blend, after, (64, 64))[:2]
