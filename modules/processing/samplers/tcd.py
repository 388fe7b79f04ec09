"""Trajectory consistency sampling, Zheng et al. 2024 (arXiv:2402.19159), Algorithm 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler

if TYPE_CHECKING:
    from torch import Tensor


@register_sampler("TCD", order=210, aliases=("tcd",), few_step=True)
def tcd(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: NoiseSource,
    on_step: OnStep,
    gamma: float = 0.3,
) -> Tensor:
    """x: noise scaled to sigmas[0], [B, C, h, w]. sigmas: [steps + 1], descending, ends in 0.

    gamma: share of the time to the next step that is jumped too far and filled up with noise; 1 is LCM, 0 is DDIM.
    """
    for i in range(len(sigmas) - 1):
        sigma, following = sigmas[i], sigmas[i + 1]
        denoised = denoiser(x, sigma)
        target = _earlier(following, denoiser.sigma_table, gamma)
        x = denoised + (x - denoised) / sigma * target
        if following > target:
            x = x + (following**2 - target**2) ** 0.5 * noise.normal()
        on_step(i, x, sigma, denoised)
    return x


def _earlier(sigma: Tensor, table: Tensor, gamma: float) -> Tensor:
    """The noise level at (1 - gamma) of sigma's time step, rounded down; x0 itself for gamma 1."""
    if sigma == 0 or gamma <= 0:
        return sigma
    if gamma >= 1:
        return sigma * 0
    step = int((table.to(sigma) - sigma).abs().argmin())
    return table[int((1 - gamma) * step)].to(sigma).minimum(sigma)
