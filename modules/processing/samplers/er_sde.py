"""ER-SDE-Solver-3, Cui et al. 2023 (arXiv:2309.06169): an SDE with less noise early on, solved to third order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler
from modules.processing.samplers.arithmetic import integral

if TYPE_CHECKING:
    from torch import Tensor


@register_sampler("ER SDE", order=240, aliases=("er_sde",), ancestral=True, knobs=("s_noise",))
def er_sde(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: NoiseSource,
    on_step: OnStep,
    s_noise: float = 1.0,
) -> Tensor:
    """x: noise scaled to sigmas[0], [B, C, h, w]. sigmas: [steps + 1], descending, ends in 0."""
    old: list[Tensor] = []  # x0 at the step before, and its slope in sigma
    levels = [float(sigma) for sigma in sigmas]
    for i in range(len(sigmas) - 1):
        start, end = levels[i], levels[i + 1]
        denoised = denoiser(x, sigmas[i])
        if end > 0:
            keep = _phi(end) / _phi(start)
            x = keep * x + (1 - keep) * denoised
            new = [denoised]
            if old:
                new.append((denoised - old[0]) / (start - levels[i - 1]))
                x = x + _moment(start, end, 0) * new[1]
            if len(old) > 1:
                x = x + _moment(start, end, 1) * (new[1] - old[1]) / ((start - levels[i - 2]) / 2)
            old = new
            x = x + max(end**2 - (start * keep) ** 2, 0.0) ** 0.5 * s_noise * noise.normal()
        else:
            x = denoised
        on_step(i, x, sigmas[i], denoised)
    return x


def _phi(sigma: float) -> float:
    """The paper's choice of noise, appendix on SDE_5."""
    return sigma * (math.exp(sigma**0.3) + 10)


def _moment(start: float, end: float, power: int) -> float:
    """What the (power + 1)-th derivative of x0 at `start` adds over the step."""
    rest = integral(
        lambda log: math.exp(log) * (math.exp(log) - start) ** power / _phi(math.exp(log)),
        math.log(start),
        math.log(end),
    )
    return (end - start) ** (power + 1) / (power + 1) - _phi(end) * rest
