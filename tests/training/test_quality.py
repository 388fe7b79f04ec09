from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from modules.training.quality import psnr, ssim


def ssim_by_hand(one: np.ndarray, other: np.ndarray) -> float:
    """Wang et al. 2004, window by window, on one channel in [0, 255]."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for row in range(one.shape[0] - 10):
        for column in range(one.shape[1] - 10):
            x, y = one[row : row + 11, column : column + 11], other[row : row + 11, column : column + 11]
            mean_x, mean_y = (window * x).sum(), (window * y).sum()
            var_x, var_y = (window * (x - mean_x) ** 2).sum(), (window * (y - mean_y) ** 2).sum()
            both = (window * (x - mean_x) * (y - mean_y)).sum()
            values.append(
                (2 * mean_x * mean_y + c1) * (2 * both + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
            )
    return float(np.mean(values))


def test_ssim_is_that_of_the_paper() -> None:
    generator = np.random.default_rng(1)
    one = generator.uniform(0, 255, (3, 16, 18))
    other = np.clip(one + generator.normal(0, 40, one.shape), 0, 255)
    by_hand = np.mean([ssim_by_hand(x, y) for x, y in zip(one, other)])
    ours = ssim(torch.from_numpy(one / 127.5 - 1)[None], torch.from_numpy(other / 127.5 - 1)[None])
    assert float(ours) == pytest.approx(by_hand, abs=1e-9)
    assert 0.1 < by_hand < 0.99, by_hand


def test_a_picture_is_like_itself_and_order_does_not_matter() -> None:
    torch.manual_seed(0)
    one, other = torch.rand(2, 3, 16, 16) * 2 - 1, torch.rand(2, 3, 16, 16) * 2 - 1
    torch.testing.assert_close(ssim(one, one), torch.ones(2))
    torch.testing.assert_close(ssim(one, other), ssim(other, one))


def test_psnr_of_a_constant_error_is_its_closed_form() -> None:
    picture = torch.zeros(2, 3, 8, 8)
    shifted = picture + torch.tensor([0.2, 0.02])[:, None, None, None]
    torch.testing.assert_close(psnr(shifted, picture), torch.tensor([20.0, 40.0]))
    assert math.isinf(float(psnr(picture, picture)[0]))
