"""Unit Gaussian data: x0(x, sigma) = x / (1 + sigma^2), whose probability-flow solution is x / sqrt(1 + sigma^2)."""

from __future__ import annotations

import torch

from modules.processing.samplers import samplers


def _error(steps: int) -> float:
    sigmas = torch.cat([torch.logspace(1, -3, steps, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)])
    x = torch.full((1, 4, 2, 2), 10.0, dtype=torch.float64)
    found = samplers.get("DPM++ 2M").function(
        lambda x, sigma: x / (1 + sigma**2), x, sigmas, noise=None, on_step=lambda *_: None
    )
    return float((found - x / 101**0.5).abs().max())


def test_halving_the_step_quarters_the_error() -> None:
    ratio = _error(40) / _error(80)
    assert 3 < ratio < 6, ratio
