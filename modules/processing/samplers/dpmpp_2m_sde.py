"""DPM-Solver++(2M) for the reverse SDE (SDE-DPM-Solver++, arXiv:2211.01095), with Brownian noise, in two variants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler
from modules.processing.samplers.arithmetic import brownian_between

if TYPE_CHECKING:
    from torch import Tensor


@register_sampler(
    "DPM++ 2M SDE",
    order=30,
    aliases=("k_dpmpp_2m_sde",),
    default_schedule="exponential",
    brownian=True,
    knobs=("eta", "s_noise"),
)
def dpmpp_2m_sde(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: NoiseSource,
    on_step: OnStep,
    eta: float = 1.0,
    s_noise: float = 1.0,
    heun: bool = False,
) -> Tensor:
    """x: noise scaled to sigmas[0], [B, C, h, w]. sigmas: [steps + 1], descending, ends in 0.

    heun: weigh the slope by the integral over the step, instead of its value in the middle.
    """
    path = brownian_between(noise, sigmas)
    old = h_last = None
    for i in range(len(sigmas) - 1):
        sigma, following = sigmas[i], sigmas[i + 1]
        denoised = denoiser(x, sigma)
        if following > 0:
            h = (sigma / following).log()
            whole = h * (1 + eta)
            gain = -(-whole).expm1()
            x = following / sigma * (-eta * h).exp() * x + gain * denoised
            if old is not None and h_last is not None:
                weight = 1 - gain / whole if heun else gain / 2
                x = x + weight * h / h_last * (denoised - old)
            if eta > 0:
                x = x + path(sigma, following) * following * (-(-2 * eta * h).expm1()) ** 0.5 * s_noise
            h_last = h
        else:
            x = denoised
        old = denoised
        on_step(i, x, sigma, denoised)
    return x


@register_sampler(
    "DPM++ 2M SDE Heun",
    order=40,
    aliases=("k_dpmpp_2m_sde_heun",),
    default_schedule="exponential",
    brownian=True,
    knobs=("eta", "s_noise"),
)
def dpmpp_2m_sde_heun(
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
    return dpmpp_2m_sde(denoiser, x, sigmas, noise=noise, on_step=on_step, eta=eta, s_noise=s_noise, heun=True)
