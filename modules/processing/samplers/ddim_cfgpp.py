"""DDIM with CFG++ (arXiv:2406.08070): the noise put back is the negative prompt's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler
from modules.processing.samplers.arithmetic import end_at_table, to_vp

if TYPE_CHECKING:
    from torch import Tensor


@register_sampler("DDIM CFG++", order=160, aliases=("ddim_cfgpp",), timesteps=True, cfgpp=True, knobs=("eta",))
def ddim_cfgpp(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: NoiseSource,
    on_step: OnStep,
    eta: float = 0.0,
) -> Tensor:
    """x: at noise level sigmas[0], [B, C, h, w]. sigmas: [steps + 1], descending; the last is the model's smallest."""
    sigmas = end_at_table(sigmas, denoiser.sigma_table)
    x = to_vp(x, sigmas[0])
    for i in range(len(sigmas) - 1):
        sigma = sigmas[i]
        a, a_next = 1 / (1 + sigma**2), 1 / (1 + sigmas[i + 1] ** 2)
        denoised = denoiser(x / a.sqrt(), sigma)
        negative = denoised if denoiser.uncond is None else denoiser.uncond
        epsilon = (x - a.sqrt() * negative) / (1 - a).sqrt()
        fresh = eta * ((1 - a_next) / (1 - a) * (1 - a / a_next)).sqrt()
        x = a_next.sqrt() * denoised + (1 - a_next - fresh**2).clamp(min=0).sqrt() * epsilon
        if eta > 0:
            x = x + fresh * noise.normal()
        on_step(i, x, sigma, denoised)
    return x
