"""DPM-Solver++(2S), arXiv:2211.01095 Algorithm 1 with r = 1/2, and fresh noise after each step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler
from modules.processing.samplers.arithmetic import ancestral, toward

if TYPE_CHECKING:
    from torch import Tensor


@register_sampler(
    "DPM++ 2S a",
    order=50,
    aliases=("k_dpmpp_2s_a", "k_dpmpp_2s_ancestral"),
    default_schedule="karras",
    second_order=True,
    ancestral=True,
    knobs=("eta", "s_noise"),
)
def dpmpp_2s_a(
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
        target = denoised
        if down > 0:
            middle = (sigma * down) ** 0.5
            halfway = toward(denoised, x, sigma, middle)
            target = denoiser(halfway, middle)
        x = toward(target, x, sigma, down)
        if up > 0:
            x = x + noise.normal() * s_noise * up
        on_step(i, x, sigma, denoised)
    return x
