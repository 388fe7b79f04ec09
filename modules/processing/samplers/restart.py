"""Restart sampling, Xu et al. 2023 (arXiv:2306.14878): Heun steps, with a jump back up in noise near the end."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from modules.core.lazy import lazy_import
from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = lazy_import("torch")

LOW, HIGH = 0.1, 2.0  # the noise levels between which steps are repeated


@register_sampler(
    "Restart", order=140, aliases=("restart",), default_schedule="karras", second_order=True, knobs=("s_noise",)
)
def restart(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: NoiseSource,
    on_step: OnStep,
    s_noise: float = 1.0,
) -> Tensor:
    """x: noise scaled to sigmas[0], [B, C, h, w]. sigmas: [steps + 1], descending, ends in 0.

    From 20 steps on the repeated ones are part of the number, and all are spaced by Karras.
    """
    last = None
    for i, (sigma, following) in enumerate(_plan(sigmas)):
        if last is not None and last < sigma:
            x = x + noise.normal() * s_noise * (sigma**2 - last**2) ** 0.5
        denoised = denoiser(x, sigma)
        d = (x - denoised) / sigma
        ahead = x + d * (following - sigma)
        if following > 0:
            d = (d + (ahead - denoiser(ahead, following)) / following) / 2
            ahead = x + d * (following - sigma)
        x, last = ahead, following
        on_step(i, x, sigma, denoised)
    return x


def _plan(sigmas: Tensor) -> list[tuple[Tensor, Tensor]]:
    """(from, to) of each step."""
    steps = len(sigmas) - 1
    if steps < 20:
        return list(pairwise(sigmas))
    repeated, times = (steps // 4, 2) if steps >= 36 else (9, 1)
    sigmas = torch.cat([_karras(steps - repeated * times, sigmas[-2], sigmas[0]), sigmas[-1:]])
    low, high = int((sigmas - LOW).abs().argmin()), int((sigmas - HIGH).abs().argmin())
    plan = list(pairwise(sigmas))
    if high >= low:
        return plan
    again = _karras(repeated + 1, sigmas[low], sigmas[high])
    loop = list(pairwise(again))
    return plan[:low] + loop * times + plan[low:]


def _karras(count: int, low: Tensor, high: Tensor) -> Tensor:
    """Even in sigma ** (1 / 7), from high to low, both in it."""
    ramp = torch.linspace(0, 1, count, dtype=low.dtype, device=low.device)
    return (high ** (1 / 7) + ramp * (low ** (1 / 7) - high ** (1 / 7))) ** 7
