"""RES, Zhang et al. 2023 (arXiv:2308.02157): refined exponential solver, multistep, order 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler

if TYPE_CHECKING:
    from torch import Tensor


@register_sampler("RES multistep", order=250, aliases=("res_multistep",), default_schedule="karras")
def res_multistep(denoiser: Denoiser, x: Tensor, sigmas: Tensor, *, noise: NoiseSource, on_step: OnStep) -> Tensor:
    """x: noise scaled to sigmas[0], [B, C, h, w]. sigmas: [steps + 1], descending, ends in 0."""
    old = None
    for i in range(len(sigmas) - 1):
        sigma, following = sigmas[i], sigmas[i + 1]
        denoised = denoiser(x, sigma)
        if following > 0:
            h = (sigma / following).log()
            phi_1 = -(-h).expm1() / h
            x = (-h).exp() * x + h * phi_1 * denoised
            if old is not None:
                phi_2 = (1 - phi_1) / h
                c = (sigmas[i - 1] / sigma).log() / h
                x = x + h * phi_2 / c * (denoised - old)
        else:
            x = denoised
        old = denoised
        on_step(i, x, sigma, denoised)
    return x
