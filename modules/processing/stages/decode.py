"""Latents <-> pixels through the VAE, with a check for not-a-number and one repeat in fp32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from modules.core.errors import StageError

if TYPE_CHECKING:
    from modules.processing.models.loader import LoadedModel


@contextmanager
def upcast(module: torch.nn.Module) -> Iterator[None]:
    """The module in fp32 for a while; its own precision comes back bit for bit."""
    state = {name: one.detach().clone() for name, one in module.state_dict().items()}
    dtype = next(module.parameters()).dtype
    module.float()
    try:
        yield
    finally:
        module.to(dtype)
        module.load_state_dict(state)


@torch.no_grad()
def decode_latents(model: LoadedModel, latents: torch.Tensor, *, check: bool = True) -> torch.Tensor:
    """latents [B, C, h, w] -> RGB float32 [B, 3, H, W] in [0, 1], picture by picture, so that a batch equals its parts.

    Raises StageError when the result is not a number even in fp32.
    """
    rows = []
    for row in latents.split(1):
        pixels = _decode(model, row)
        if check and not bool(torch.isfinite(pixels).all()):
            if not bool(torch.isfinite(row).all()):
                raise StageError("The latents are not numbers.", stage="denoise", hint="Use fp32 for the network.")
            with upcast(model.vae):
                pixels = _decode(model, row)
            if not bool(torch.isfinite(pixels).all()):
                raise StageError(
                    "The VAE gave not-a-number pixels, in fp32 too.", stage="decode", hint="Choose another VAE."
                )
        rows.append(((pixels.float() + 1) / 2).clamp(0, 1))
    return torch.cat(rows)


def _decode(model: LoadedModel, latents: torch.Tensor) -> torch.Tensor:
    weight = next(model.vae.parameters())
    config = model.vae.config
    scaled = latents.float() / config["scaling_factor"] + (config.get("shift_factor") or 0.0)
    return model.vae.decode(scaled.to(weight.device, weight.dtype), return_dict=False)[0]


@torch.no_grad()
def encode_pixels(model: LoadedModel, pixels: torch.Tensor) -> torch.Tensor:
    """RGB [B, 3, H, W] in [-1, 1] -> the mean latents [B, C, h, w], float32."""
    weight = next(model.vae.parameters())
    config = model.vae.config
    posterior = model.vae.encode(pixels.to(weight.device, weight.dtype), return_dict=False)[0]
    mean = posterior.mode().float()
    return (mean - (config.get("shift_factor") or 0.0)) * config["scaling_factor"]


def to_pixels(image: Image.Image) -> torch.Tensor:
    """RGB float32 [1, 3, H, W] in [-1, 1]."""
    array = np.asarray(image.convert("RGB"), np.float32) / 127.5 - 1.0
    return torch.from_numpy(array).permute(2, 0, 1)[None]


def to_images(pixels: torch.Tensor) -> list[Image.Image]:
    """RGB float [B, 3, H, W] in [0, 1] -> 8-bit pictures, rounded to nearest."""
    array = (pixels.cpu().float().permute(0, 2, 3, 1).numpy() * 255.0).round().astype(np.uint8)
    return [Image.fromarray(one, "RGB") for one in array]
