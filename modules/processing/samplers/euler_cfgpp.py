"""Euler steps with CFG++ (arXiv:2406.08070): the noise put back is the negative prompt's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler

if TYPE_CHECKING:
    from torch import Tensor


@register_sampler("Euler CFG++", order=200, aliases=("euler_cfg_pp",), cfgpp=True)
def euler_cfgpp(denoiser: Denoiser, x: Tensor, sigmas: Tensor, *, noise: NoiseSource, on_step: OnStep) -> Tensor:
    """x: noise scaled to sigmas[0], [B, C, h, w]. sigmas: [steps + 1], descending, ends in 0."""
    for i in range(len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        negative = denoised if denoiser.uncond is None else denoiser.uncond
        x = denoised + (x - negative) / sigmas[i] * sigmas[i + 1]
        on_step(i, x, sigmas[i], denoised)
    return x
