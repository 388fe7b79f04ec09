"""The model's own VAE on every preview: exact, and as slow as a decode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.processing.previews import previews

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from modules.core.paths import Paths
    from modules.processing.models.loader import LoadedModel


@previews.register("Full")
def full(model: LoadedModel, latents: torch.Tensor, paths: Paths) -> Image.Image:
    """latents [C, h, w] -> the decoded picture."""
    from modules.processing.stages.decode import decode_latents, to_images

    return to_images(decode_latents(model, latents[None], nan_check=False))[0]
