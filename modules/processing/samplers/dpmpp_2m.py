"""DPM-Solver++(2M), multistep, arXiv:2211.01095 Algorithm 2, in k-diffusion's form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler
from modules.processing.samplers.arithmetic import toward

if TYPE_CHECKING:
    from torch import Tensor


@register_sampler("DPM++ 2M", order=10, aliases=("k_dpmpp_2m",), default_schedule="karras")
def dpmpp_2m(denoiser: Denoiser, x: Tensor, sigmas: Tensor, *, noise: NoiseSource, on_step: OnStep) -> Tensor:
    """x: noise scaled to sigmas[0], [B, C, h, w]. sigmas: [steps + 1], descending, ends in 0."""
    old = None
    for i in range(len(sigmas) - 1):
        sigma, following = sigmas[i], sigmas[i + 1]
        denoised = denoiser(x, sigma)
        target = denoised
        if old is not None and following > 0:
            r = (sigmas[i - 1] / sigma).log() / (sigma / following).log()
            target = (1 + 1 / (2 * r)) * denoised - 1 / (2 * r) * old
        x = toward(target, x, sigma, following)
        old = denoised
        on_step(i, x, sigma, denoised)
    return x
