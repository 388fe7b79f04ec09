"""DPM-Solver++ for the reverse SDE, singlestep with r = 1/2 and Brownian noise (k-diffusion's form)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler
from modules.processing.samplers.arithmetic import ancestral, brownian_between, toward

if TYPE_CHECKING:
    from torch import Tensor


@register_sampler(
    "DPM++ SDE",
    order=20,
    aliases=("k_dpmpp_sde",),
    default_schedule="karras",
    second_order=True,
    brownian=True,
    knobs=("eta", "s_noise"),
)
def dpmpp_sde(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: NoiseSource,
    on_step: OnStep,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """x: noise scaled to sigmas[0], [B, C, h, w]. sigmas: [steps + 1], descending, ends in 0."""
    path = brownian_between(noise, sigmas)
    for i in range(len(sigmas) - 1):
        sigma, following = sigmas[i], sigmas[i + 1]
        denoised = denoiser(x, sigma)
        if following > 0:
            middle = (sigma * following) ** 0.5
            down, up = ancestral(sigma, middle, eta)
            halfway = toward(denoised, x, sigma, down)
            if eta > 0:
                halfway = halfway + path(sigma, middle) * s_noise * up
            target = denoiser(halfway, middle)  # r = 1/2: all of the weight is on the midpoint
            down, up = ancestral(sigma, following, eta)
            x = toward(target, x, sigma, down)
            if eta > 0:
                x = x + path(sigma, following) * s_noise * up
        else:
            x = denoised
        on_step(i, x, sigma, denoised)
    return x
