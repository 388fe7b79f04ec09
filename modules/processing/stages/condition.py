"""Extra channels of the network: inpainting models see mask and masked picture, edit models the picture to edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from modules.processing.progress import Check, no_check
from modules.processing.stages.decode import encode_pixels

if TYPE_CHECKING:
    from modules.processing.models.loader import LoadedModel


def extra_channels(model: LoadedModel) -> int:
    """Channels that the network sees beside the latents: 5 of inpainting models, 4 of InstructPix2Pix ones."""
    return int(model.unet.config["in_channels"]) - model.latent_channels


def edits(model: LoadedModel) -> bool:
    """Whether the model is of InstructPix2Pix's kind (arXiv:2211.09800)."""
    return extra_channels(model) == model.latent_channels


def blank_condition(model: LoadedModel, canvas: tuple[int, int]) -> torch.Tensor | None:
    """For text alone, [1, c, h, w]: an inpainting model is asked to paint everything over a grey picture."""
    width, height = canvas
    if extra_channels(model) <= 0:
        return None
    if edits(model):  # no picture to edit
        return torch.zeros(1, extra_channels(model), height // model.vae_factor, width // model.vae_factor)
    grey = torch.zeros(1, 3, height, width)  # in [-1, 1]
    return _masked(model, grey, torch.ones(1, 1, height, width))


def picture_condition(
    model: LoadedModel,
    pixels: torch.Tensor,
    latents: torch.Tensor,
    mask: torch.Tensor | None,
    weight: float,
    check: Check = no_check,
) -> torch.Tensor | None:
    """What the network sees of its source, [B, c, h, w]; None where it has no such channels.

    pixels: RGB [B, 3, H, W] in [-1, 1]; latents: of the same; mask: [B or 1, 1, H, W], 1 is painted anew,
    None: all.
    weight: how much of the masked area is hidden from an inpainting model.
    """
    if extra_channels(model) <= 0:
        return None
    if edits(model):
        return latents / model.vae.config["scaling_factor"]  # it was trained on unscaled ones
    if mask is None:
        mask = torch.ones(1, 1, *pixels.shape[2:])
    return _masked(model, torch.lerp(pixels, pixels * (1 - mask), weight), mask, check)


def _masked(model: LoadedModel, seen: torch.Tensor, mask: torch.Tensor, check: Check = no_check) -> torch.Tensor:
    latents = encode_pixels(model, seen, check)
    small = F.interpolate(mask, size=latents.shape[2:]).to(latents)
    return torch.cat([small.expand(len(latents), -1, -1, -1), latents], dim=1)
