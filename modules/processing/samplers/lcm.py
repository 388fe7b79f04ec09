"""Latent consistency sampling, Luo et al. 2023 (arXiv:2310.04378): jump to x0, add noise, again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler

if TYPE_CHECKING:
    from torch import Tensor


@register_sampler("LCM", order=190, aliases=("k_lcm",), few_step=True)
def lcm(denoiser: Denoiser, x: Tensor, sigmas: Tensor, *, noise: NoiseSource, on_step: OnStep) -> Tensor:
    """x: noise scaled to sigmas[0], [B, C, h, w]. sigmas: [steps + 1], descending, ends in 0."""
    for i in range(len(sigmas) - 1):
        x = denoised = denoiser(x, sigmas[i])
        if sigmas[i + 1] > 0:
            x = x + sigmas[i + 1] * noise.normal()
        on_step(i, x, sigmas[i], denoised)
    return x
