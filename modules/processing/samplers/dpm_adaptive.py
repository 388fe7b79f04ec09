"""DPM-Solver-12/23 (arXiv:2206.00927, appendix C): step sizes from the difference of two orders."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler
from modules.processing.samplers.dpm_solver import Steps, add_noise, split

if TYPE_CHECKING:
    from torch import Tensor


FIRST_STEP, SAFETY = 0.05, 0.81  # a step is kept if the next may be at least this share of it


@register_sampler(
    "DPM adaptive",
    order=130,
    aliases=("k_dpm_ad", "k_dpm_adaptive"),
    ancestral=True,
    adaptive=True,
    knobs=("eta", "s_noise"),
)
def dpm_adaptive(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: NoiseSource,
    on_step: OnStep,
    eta: float = 1.0,
    s_noise: float = 1.0,
    rtol: float = 0.05,
    atol: float = 0.0078,
) -> Tensor:
    """x: noise scaled to sigmas[0], [B, C, h, w]. sigmas: [steps + 1]; only its ends above 0 matter.

    Takes as many steps as it needs; the error is of the whole batch. on_step counts kept steps, up to the wished.
    """
    last_step = len(sigmas) - 2
    t, t_end = -math.log(float(sigmas[0])), -math.log(float(sigmas[sigmas > 0].min()))
    h, kept = FIRST_STEP, 0
    power = 1 / (1.5 if eta > 0 else 3)
    x_prev = x
    steps = None
    while t < t_end - 1e-5:
        t_next = min(t_end, t + h)
        target, up = split(t, t_next, t_end, eta)
        steps = steps or Steps(denoiser, x, t)
        low, high = steps.second(target, 1 / 3), steps.third(target)
        tolerance = (rtol * low.abs().maximum(x_prev.abs())).clamp(min=atol)
        error = float(((low - high) / tolerance).pow(2).mean().sqrt())
        factor = 1 + math.atan((1 / (error + 1e-8)) ** power - 1)
        h *= factor
        if factor < SAFETY:
            continue
        x_prev = low
        x = add_noise(high, up * s_noise, noise)
        on_step(min(kept, last_step), x, x.new_tensor(math.exp(-t)), steps.denoised)
        kept += 1
        t, steps = t_next, None
    return x
