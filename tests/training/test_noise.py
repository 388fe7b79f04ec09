from __future__ import annotations

import pytest
import torch
from diffusers import DDPMScheduler

from modules.training import noise


def test_schedule_is_that_of_diffusers_and_ends_where_it_says() -> None:
    ours = noise.alphas_cumprod(0.0015, 0.0155)
    theirs = DDPMScheduler(beta_start=0.0015, beta_end=0.0155, beta_schedule="scaled_linear").alphas_cumprod
    torch.testing.assert_close(ours.float(), theirs, rtol=1e-4, atol=1e-7)
    assert noise.terminal_snr_db(ours) == pytest.approx(-31.75, abs=0.1)


def test_picture_and_noise_come_back_from_v() -> None:
    generator = torch.Generator().manual_seed(0)
    x0, epsilon = torch.randn(4, 2, 3, 3, generator=generator), torch.randn(4, 2, 3, 3, generator=generator)
    abar = torch.tensor([0.99, 0.7, 0.2, 0.001])[:, None, None, None]
    noisy = abar.sqrt() * x0 + (1 - abar).sqrt() * epsilon
    v = noise.target_of("v_prediction", x0, epsilon, abar)
    torch.testing.assert_close(abar.sqrt() * noisy - (1 - abar).sqrt() * v, x0, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close((1 - abar).sqrt() * noisy + abar.sqrt() * v, epsilon, rtol=1e-4, atol=1e-5)


def test_min_snr_weights_of_stable_diffusions_schedule() -> None:
    abar = noise.alphas_cumprod(0.00085, 0.012)
    assert float(noise.min_snr_weight("epsilon", abar, 5).mean()) == pytest.approx(0.917, abs=2e-3)
    assert float(noise.min_snr_weight("v_prediction", abar, 5).mean()) == pytest.approx(0.294, abs=2e-3)


def test_each_part_of_the_range_gets_one_timestep() -> None:
    timesteps = noise.stratified_timesteps(10, torch.Generator().manual_seed(3))
    assert (timesteps // 100).tolist() == list(range(10))
