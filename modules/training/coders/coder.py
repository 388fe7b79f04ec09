"""What a kind of autoencoder must do, and the layers that all of them share."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from modules.training.config import Autoencoder as Settings


class Coder(Protocol):
    """A kind of autoencoder. Pictures are RGB float in [-1, 1], [B, 3, H, W]; latents [B, C, H / f, W / f]."""

    @property
    def vae(self) -> nn.Module: ...

    def reconstruct(self, target: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """As training does it: the output, the weighted loss on the latents and that loss's parts."""
        ...

    def encode(self, target: Tensor) -> Tensor: ...

    def decode(self, latents: Tensor) -> Tensor: ...

    def validate(self, latents: Tensor) -> dict[str, float]:
        """What only this kind measures on the latents of the held-out pictures."""
        ...

    def save(self, folder: Path, latents: Tensor) -> None:
        """A diffusers folder; `latents` are those of many training pictures."""
        ...


def layers_of(settings: Settings, size: int) -> dict[str, Any]:
    """diffusers' arguments. Convolutions only: attention would tie a model that learns from crops to their size."""
    levels = len(settings.channels)
    return {
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "block_out_channels": settings.channels,
        "layers_per_block": settings.layers,
        "latent_channels": settings.latent_channels,
        "norm_num_groups": settings.norm_groups,
        "sample_size": size,
        "mid_block_add_attention": False,
    }


def last_weights(vae: nn.Module) -> nn.Parameter:
    """The decoder's last convolution, where losses on its output are weighed against each other."""
    return vae.get_parameter("decoder.conv_out.weight")
