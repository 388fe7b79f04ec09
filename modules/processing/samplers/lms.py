"""Linear multistep of order 4: Adams-Bashforth in sigma, with coefficients for uneven steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler
from modules.processing.samplers.arithmetic import integral, lagrange

if TYPE_CHECKING:
    from torch import Tensor


@register_sampler("LMS", order=80, aliases=("k_lms",))
def lms(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: NoiseSource,
    on_step: OnStep,
    order: int = 4,
) -> Tensor:
    """x: noise scaled to sigmas[0], [B, C, h, w]. sigmas: [steps + 1], descending, ends in 0."""
    past: list[Tensor] = []  # slopes, newest first
    levels = [float(sigma) for sigma in sigmas]
    for i in range(len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        past = [(x - denoised) / sigmas[i], *past[: order - 1]]
        nodes = levels[i::-1][: len(past)]
        for j, slope in enumerate(past):
            weight = integral(lambda s, n=nodes, k=j: lagrange(n, k, s), levels[i], levels[i + 1])
            x = x + weight * slope
        on_step(i, x, sigmas[i], denoised)
    return x
