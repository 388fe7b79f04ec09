"""DDIM with CFG++ (arXiv:2406.08070): the noise put back is the negative prompt's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler
from modules.processing.samplers.ddim import ddim

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
    return ddim(denoiser, x, sigmas, noise=noise, on_step=on_step, eta=eta, cfgpp=True)
