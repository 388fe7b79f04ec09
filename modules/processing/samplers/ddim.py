"""DDIM, Song et al. 2020 (arXiv:2010.02502), equations 12 and 16."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler
from modules.processing.samplers.arithmetic import end_at_table, to_vp

if TYPE_CHECKING:
    from torch import Tensor


@register_sampler("DDIM", order=150, aliases=("ddim",), timesteps=True, knobs=("eta",))
def ddim(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: NoiseSource,
    on_step: OnStep,
    eta: float = 0.0,
    cfgpp: bool = False,
) -> Tensor:
    """x: at noise level sigmas[0], [B, C, h, w]. sigmas: [steps + 1], descending; the last is the model's smallest.

    cfgpp: the noise that is put back is the negative prompt's.
    """
    sigmas = end_at_table(sigmas, denoiser.sigma_table)
    x = to_vp(x, sigmas[0])
    for i in range(len(sigmas) - 1):
        sigma = sigmas[i]
        a, a_next = 1 / (1 + sigma**2), 1 / (1 + sigmas[i + 1] ** 2)
        denoised = denoiser(x / a.sqrt(), sigma)
        clean = denoiser.uncond if cfgpp and denoiser.uncond is not None else denoised
        epsilon = (x - a.sqrt() * clean) / (1 - a).sqrt()
        fresh = eta * ((1 - a_next) / (1 - a) * (1 - a / a_next)).sqrt()
        x = a_next.sqrt() * denoised + (1 - a_next - fresh**2).clamp(min=0).sqrt() * epsilon
        if eta > 0:
            x = x + fresh * noise.normal()
        on_step(i, x, sigma, denoised)
    return x
