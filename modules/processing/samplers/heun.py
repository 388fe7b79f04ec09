"""Heun steps, Algorithm 2 of Karras et al. 2022 (arXiv:2206.00364)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler
from modules.processing.samplers.arithmetic import Churn

if TYPE_CHECKING:
    from torch import Tensor


@register_sampler(
    "Heun",
    order=90,
    aliases=("k_heun",),
    second_order=True,
    churn=True,
    knobs=("s_churn", "s_tmin", "s_tmax", "s_noise"),
)
def heun(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: NoiseSource,
    on_step: OnStep,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = 0.0,
    s_noise: float = 1.0,
) -> Tensor:
    """x: noise scaled to sigmas[0], [B, C, h, w]. sigmas: [steps + 1], descending, ends in 0."""
    churn = Churn(s_churn, s_tmin, s_tmax, s_noise)
    for i in range(len(sigmas) - 1):
        following = sigmas[i + 1]
        x, sigma_hat = churn.apply(x, sigmas[i], len(sigmas) - 1, noise)
        denoised = denoiser(x, sigma_hat)
        d = (x - denoised) / sigma_hat
        ahead = x + d * (following - sigma_hat)
        if following > 0:
            d = (d + (ahead - denoiser(ahead, following)) / following) / 2
            ahead = x + d * (following - sigma_hat)
        x = ahead
        on_step(i, x, sigmas[i], denoised)
    return x
