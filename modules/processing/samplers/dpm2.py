"""DPM-Solver-2's midpoint in log sigma, with Karras' churn (k-diffusion's DPM2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler
from modules.processing.samplers.arithmetic import Churn

if TYPE_CHECKING:
    from torch import Tensor


@register_sampler(
    "DPM2",
    order=100,
    aliases=("k_dpm_2",),
    default_schedule="karras",
    second_order=True,
    discard_penultimate=True,
    churn=True,
    knobs=("s_churn", "s_tmin", "s_tmax", "s_noise"),
)
def dpm2(
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
        if following > 0:
            middle = (sigma_hat * following) ** 0.5
            halfway = x + d * (middle - sigma_hat)
            d = (halfway - denoiser(halfway, middle)) / middle
        x = x + d * (following - sigma_hat)
        on_step(i, x, sigmas[i], denoised)
    return x
