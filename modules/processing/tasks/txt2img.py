"""Text to image: start from noise alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from modules.processing.noise import NoiseSource, NoiseWish
from modules.processing.samplers import samplers

if TYPE_CHECKING:
    from modules.processing.models.loader import LoadedModel
    from modules.processing.resolve import PicturePlan, Plan


def make_noise(plan: Plan, batch: tuple[PicturePlan, ...], model: LoadedModel, device: torch.device) -> NoiseSource:
    """One generator per picture, so that a picture of a batch starts as it would alone."""
    factor = model.vae_factor
    shape = plan.request.shape
    height, width = plan.noise.resize_from
    return NoiseSource(
        [picture.seed for picture in batch],
        (model.latent_channels, shape.height // factor, shape.width // factor),
        NoiseWish(
            source=plan.noise.source,
            variation_seeds=[picture.variation for picture in batch],
            variation_strength=plan.noise.strength,
            resize_from=(height // factor, width // factor) if height and width else None,
            ensd=plan.noise.ensd,
            per_image_brownian=plan.noise.brownian_per_image,
        ),
        device,
    )


def start(plan: Plan, noise: NoiseSource, sigmas: torch.Tensor) -> torch.Tensor:
    """Latents [B, C, h, w] scaled to sigmas[0].

    Samplers over time steps begin in the variance-preserving space, where pure noise has deviation 1: the same latents
    are noise * sqrt(1 + sigma^2) here. "SGM noise multiplier" asks this of the others too.
    """
    x = noise.initial()
    if plan.sampling.sgm_noise or samplers.get(plan.sampling.sampler).timesteps:
        return x * torch.sqrt(1.0 + sigmas[0] ** 2)
    return x * sigmas[0]
