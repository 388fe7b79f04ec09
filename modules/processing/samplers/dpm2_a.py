"""DPM2 with fresh noise after each step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler
from modules.processing.samplers.arithmetic import ancestral

if TYPE_CHECKING:
    from torch import Tensor


@register_sampler(
    "DPM2 a",
    order=110,
    aliases=("k_dpm_2_a", "k_dpm_2_ancestral"),
    default_schedule="karras",
    second_order=True,
    discard_penultimate=True,
    ancestral=True,
    knobs=("eta", "s_noise"),
)
def dpm2_a(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: NoiseSource,
    on_step: OnStep,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """x: noise scaled to sigmas[0], [B, C, h, w]. sigmas: [steps + 1], descending, ends in 0."""
    for i in range(len(sigmas) - 1):
        sigma = sigmas[i]
        denoised = denoiser(x, sigma)
        down, up = ancestral(sigma, sigmas[i + 1], eta)
        d = (x - denoised) / sigma
        if down > 0:
            middle = (sigma * down) ** 0.5
            halfway = x + d * (middle - sigma)
            d = (halfway - denoiser(halfway, middle)) / middle
        x = x + d * (down - sigma)
        if up > 0:
            x = x + noise.normal() * s_noise * up
        on_step(i, x, sigma, denoised)
    return x
