"""DPM-Solver-fast (arXiv:2206.00927, section 3.4): third order steps, as many as the model calls allow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler
from modules.processing.samplers.dpm_solver import Steps, add_noise, split

if TYPE_CHECKING:
    from torch import Tensor


@register_sampler("DPM fast", order=120, aliases=("k_dpm_fast",), ancestral=True, knobs=("eta", "s_noise"))
def dpm_fast(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: NoiseSource,
    on_step: OnStep,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """x: noise scaled to sigmas[0], [B, C, h, w]. sigmas: [steps + 1]; only its ends above 0 matter.

    steps is the number of model calls; on_step counts them. Ends at the smallest sigma above 0, as k-diffusion does.
    """
    calls = len(sigmas) - 1
    t, t_end = -math.log(float(sigmas[0])), -math.log(float(sigmas[sigmas > 0].min()))
    orders = [3] * (calls // 3 - 1) + [2, 1] if calls % 3 == 0 else [3] * (calls // 3) + [calls % 3]
    width = (t_end - t) / len(orders)
    done = 0
    for k, order in enumerate(orders):
        t_next = t_end if k == len(orders) - 1 else t + width
        target, up = split(t, t_next, t_end, eta)
        steps = Steps(denoiser, x, t)
        x = (steps.first, steps.second, steps.third)[order - 1](target)
        x = add_noise(x, up * s_noise, noise)
        done += order
        on_step(done - 1, x, x.new_tensor(math.exp(-t)), steps.denoised)
        t = t_next
    return x
