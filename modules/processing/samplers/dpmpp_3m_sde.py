"""DPM-Solver++(3M) for the reverse SDE, with Brownian noise (k-diffusion's form)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler
from modules.processing.samplers.arithmetic import brownian_between

if TYPE_CHECKING:
    from torch import Tensor


@register_sampler(
    "DPM++ 3M SDE",
    order=55,
    aliases=("k_dpmpp_3m_sde",),
    default_schedule="exponential",
    discard_penultimate=True,
    brownian=True,
    knobs=("eta", "s_noise"),
)
def dpmpp_3m_sde(
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
    past: list[tuple[Tensor, Tensor]] = []  # (denoised, h) of the two steps before, newest first
    for i in range(len(sigmas) - 1):
        sigma, following = sigmas[i], sigmas[i + 1]
        denoised = denoiser(x, sigma)
        if following == 0:
            x = denoised
            on_step(i, x, sigma, denoised)
            continue
        h = (sigma / following).log()
        whole = h * (1 + eta)
        phi_1 = -(-whole).expm1()
        phi_2 = 1 - phi_1 / whole
        x = (-whole).exp() * x + phi_1 * denoised
        if past:
            (old, h_1) = past[0]
            r0 = h_1 / h
            d1 = (denoised - old) / r0
            if len(past) > 1:
                (older, h_2) = past[1]
                r1 = h_2 / h
                d2 = (d1 - (old - older) / r1) / (r0 + r1)
                x = x + phi_2 * (d1 + d2 * r0) - (phi_2 / whole - 0.5) * d2
            else:
                x = x + phi_2 * d1
        if eta > 0:
            x = x + path(sigma, following) * following * (-(-2 * eta * h).expm1()) ** 0.5 * s_noise
        past = [(denoised, h), *past[:1]]
        on_step(i, x, sigma, denoised)
    return x
