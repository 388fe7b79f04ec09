"""Where sampling starts: each picture's own noise, alone or over the latents of a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from modules.processing.noise import NoiseSource, NoiseWish
from modules.processing.samplers import samplers

if TYPE_CHECKING:
    from modules.processing.models.loader import LoadedModel
    from modules.processing.plan import PicturePlan, Plan
    from modules.processing.tasks import Start


def make_noise(plan: Plan, batch: tuple[PicturePlan, ...], model: LoadedModel) -> NoiseSource:
    """One generator per picture, so that a picture of a batch starts as it would alone."""
    factor = model.vae_factor
    canvas_width, canvas_height = plan.canvas
    height, width = plan.noise.resize_from
    return NoiseSource(
        [picture.seed for picture in batch],
        (model.latent_channels, canvas_height // factor, canvas_width // factor),
        NoiseWish(
            source=plan.noise.source,
            variation_seeds=[picture.variation for picture in batch],
            variation_strength=plan.noise.strength,
            resize_from=(height // factor, width // factor) if height and width else None,
            ensd=plan.noise.ensd,
            per_image_brownian=plan.noise.brownian_per_image,
        ),
        model.device,
    )


def first_latents(plan: Plan, start: Start, noise: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
    """Latents [B, C, h, w] scaled to sigmas[0]. noise: of deviation 1, same shape.

    At strength 1 an unmasked source no longer counts: the picture is text to image's from the same noise.
    Samplers over time steps begin in the variance-preserving space, where pure noise has deviation 1: the same latents
    are noise * sqrt(1 + sigma^2) here. "SGM noise multiplier" asks this of the others too.
    """
    source = plan.source
    if start.latents is None or source is None or (source.strength >= 1 and start.blend is None):
        if plan.sampling.sgm_noise or samplers.get(plan.sampling.sampler).timesteps:
            return noise * torch.sqrt(1.0 + sigmas[0] ** 2)
        return noise * sigmas[0]
    noise = noise * source.noise_multiplier
    return start.latents + noise * sigmas[0] + noise * source.extra_noise
