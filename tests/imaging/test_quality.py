"""PSNR and SSIM against their definitions, written out window by window."""

from __future__ import annotations

import math

import numpy as np
import pytest

from modules.imaging.quality import psnr, ssim


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    original = generator.integers(0, 256, (17, 14, 3), np.uint8)
    noisy = np.clip(original + generator.normal(0, 30, original.shape), 0, 255).astype(np.uint8)
    return noisy, original


def naive_ssim(x: np.ndarray, y: np.ndarray) -> float:
    """Wang et al. 2004, equation 13, one window after the other, in two dimensions and from centred moments."""
    rows, columns = np.mgrid[-5:6, -5:6]
    window = np.exp(-(rows**2 + columns**2) / (2 * 1.5**2))
    window /= window.sum()
    found = []
    for channel in range(3):
        for top in range(x.shape[0] - 10):
            for left in range(x.shape[1] - 10):
                a = x[top : top + 11, left : left + 11, channel].astype(float)
                b = y[top : top + 11, left : left + 11, channel].astype(float)
                mean_a, mean_b = (window * a).sum(), (window * b).sum()
                var_a, var_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
                both = (window * (a - mean_a) * (b - mean_b)).sum()
                light = (2 * mean_a * mean_b + 2.55**2) / (mean_a**2 + mean_b**2 + 2.55**2)
                found.append(light * (2 * both + 7.65**2) / (var_a + var_b + 7.65**2))
    return sum(found) / len(found)


def test_ssim_equals_its_definition(pair: tuple[np.ndarray, np.ndarray]) -> None:
    noisy, original = pair
    assert ssim(noisy, original) == pytest.approx(naive_ssim(noisy, original), abs=1e-9)
    assert 0.3 < ssim(noisy, original) < 0.99


def test_ssim_of_two_flat_pictures_is_their_light_alone() -> None:
    dark, light = np.full((12, 12, 3), 50, np.uint8), np.full((12, 12, 3), 100, np.uint8)
    assert ssim(dark, light) == pytest.approx((2 * 50 * 100 + 2.55**2) / (50**2 + 100**2 + 2.55**2))


def test_psnr_of_a_constant_error_is_its_closed_form() -> None:
    dark, light = np.full((4, 4, 3), 250, np.uint8), np.full((4, 4, 3), 240, np.uint8)
    assert psnr(light, dark) == pytest.approx(20 * math.log10(255 / 10))


def test_a_picture_is_like_itself(pair: tuple[np.ndarray, np.ndarray]) -> None:
    noisy, original = pair
    assert psnr(original, original) == math.inf
    assert ssim(original, original) == pytest.approx(1)
    assert ssim(noisy, original) == pytest.approx(ssim(original, noisy))


def test_what_cannot_be_compared_is_refused(pair: tuple[np.ndarray, np.ndarray]) -> None:
    noisy, original = pair
    with pytest.raises(ValueError, match=r"17, 14, 3.*16, 14, 3"):
        psnr(noisy, original[1:])
    with pytest.raises(ValueError, match="uint8"):
        ssim(noisy / 255, original / 255)
    with pytest.raises(ValueError, match="at least 11"):
        ssim(noisy[:10], original[:10])
