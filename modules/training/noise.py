"""The forward process x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) noise, and what a network predicts of it."""

from __future__ import annotations

import torch
from torch import Tensor

from modules.training.config import Prediction

TIMESTEPS = 1000


def alphas_cumprod(beta_start: float, beta_end: float) -> Tensor:
    """abar_t of the scaled-linear schedule (linear in the root of beta, arXiv:2112.10752), float64 [1000]."""
    betas = torch.linspace(beta_start**0.5, beta_end**0.5, TIMESTEPS, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0)


def terminal_snr_db(abar: Tensor) -> float:
    return float(10 * torch.log10(abar[-1] / (1 - abar[-1])))


def target_of(prediction: Prediction, x0: Tensor, noise: Tensor, abar: Tensor) -> Tensor:
    """What the network should say; `abar` broadcasts. v is that of arXiv:2202.00512, D."""
    if prediction == "epsilon":
        return noise
    return abar.sqrt() * noise - (1 - abar).sqrt() * x0


def min_snr_weight(prediction: Prediction, abar: Tensor, gamma: float) -> Tensor:
    """Weights of arXiv:2303.09556, 3.4, for a loss on the prediction itself."""
    snr = abar / (1 - abar)
    return snr.clamp(max=gamma) / (snr if prediction == "epsilon" else snr + 1)


def stratified_timesteps(count: int, generator: torch.Generator) -> Tensor:
    """One timestep from each of `count` equal parts of the range: the mean loss varies less from step to step."""
    place = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    return (place * TIMESTEPS).long().clamp(max=TIMESTEPS - 1)
