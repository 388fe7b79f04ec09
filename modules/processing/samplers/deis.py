"""DEIS (arXiv:2204.13902) of order 3: the noise prediction extrapolated by a polynomial in log sigma."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler
from modules.processing.samplers.arithmetic import integral, lagrange

if TYPE_CHECKING:
    from torch import Tensor


@register_sampler("DEIS", order=220, aliases=("deis",), default_schedule="karras")
def deis(denoiser: Denoiser, x: Tensor, sigmas: Tensor, *, noise: NoiseSource, on_step: OnStep) -> Tensor:
    """x: noise scaled to sigmas[0], [B, C, h, w]. sigmas: [steps + 1], descending, ends in 0."""
    past: list[Tensor] = []  # noise predictions, newest first
    levels = [float(sigma) for sigma in sigmas]
    for i in range(len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        past = [(x - denoised) / sigmas[i], *past[:2]]
        if levels[i + 1] > 0:
            nodes = [math.log(level) for level in levels[i::-1][: len(past)]]
            for j, epsilon in enumerate(past):
                weight = integral(lambda s, n=nodes, k=j: lagrange(n, k, math.log(s)), levels[i], levels[i + 1])
                x = x + weight * epsilon
        else:
            x = denoised
        on_step(i, x, sigmas[i], denoised)
    return x
