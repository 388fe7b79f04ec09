"""PLMS, Liu et al. 2022 (arXiv:2202.09778): Adams-Bashforth on the noise prediction, in DDIM's steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler
from modules.processing.samplers.arithmetic import end_at_table, to_vp

if TYPE_CHECKING:
    from torch import Tensor


WEIGHTS = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))


@register_sampler("PLMS", order=170, aliases=("plms",), timesteps=True)
def plms(denoiser: Denoiser, x: Tensor, sigmas: Tensor, *, noise: NoiseSource, on_step: OnStep) -> Tensor:
    """x: at noise level sigmas[0], [B, C, h, w]. sigmas: [steps + 1], descending; the last is the model's smallest.

    The first step asks the model twice. DDIM's step, in x0 + sigma * noise, is Euler's.
    """
    sigmas = end_at_table(sigmas, denoiser.sigma_table)
    past: list[Tensor] = []  # noise predictions, newest first
    for i in range(len(sigmas) - 1):
        sigma, following = sigmas[i], sigmas[i + 1]
        denoised = denoiser(x, sigma)
        past = [(x - denoised) / sigma, *past[:3]]
        if i == 0:
            ahead = x + past[0] * (following - sigma)
            epsilon = (past[0] + (ahead - denoiser(ahead, following)) / following) / 2
        else:
            epsilon = sum((w * one for w, one in zip(WEIGHTS[len(past) - 1], past, strict=True)), start=0 * x)
        x = x + epsilon * (following - sigma)
        on_step(i, to_vp(x, following), sigma, denoised)
    return to_vp(x, sigmas[-1])
