"""DDPM, Ho et al. 2020 (arXiv:2006.11239): draws from the posterior of equations 6 and 7, on any spacing of steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler

if TYPE_CHECKING:
    from torch import Tensor


@register_sampler("DDPM", order=230, aliases=("ddpm",), ancestral=True, knobs=("s_noise",))
def ddpm(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: NoiseSource,
    on_step: OnStep,
    s_noise: float = 1.0,
) -> Tensor:
    """x: noise scaled to sigmas[0], [B, C, h, w]. sigmas: [steps + 1], descending, ends in 0."""
    for i in range(len(sigmas) - 1):
        sigma, following = sigmas[i], sigmas[i + 1]
        denoised = denoiser(x, sigma)
        share = (following / sigma) ** 2
        x = share * x + (1 - share) * denoised
        if following > 0:
            x = x + following * (1 - share) ** 0.5 * s_noise * noise.normal()
        on_step(i, x, sigma, denoised)
    return x
