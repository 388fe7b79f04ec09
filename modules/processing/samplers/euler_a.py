"""Euler steps with fresh noise after each (k-diffusion's ancestral form)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler

if TYPE_CHECKING:
    from torch import Tensor


@register_sampler(
    "Euler a", order=60, aliases=("k_euler_a", "k_euler_ancestral"), ancestral=True, knobs=("eta", "s_noise")
)
def euler_a(
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
    for i in range(len(sigmas) - 1):
        sigma, following = sigmas[i], sigmas[i + 1]
        denoised = denoiser(x, sigma)
        up = (eta * (following**2 * (sigma**2 - following**2) / sigma**2) ** 0.5).minimum(following)
        down = (following**2 - up**2) ** 0.5
        x = x + (x - denoised) / sigma * (down - sigma)
        if following > 0 and eta > 0:
            x = x + noise.normal() * s_noise * up
        on_step(i, x, sigma, denoised)
    return x
