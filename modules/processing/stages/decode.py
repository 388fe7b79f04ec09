"""Latents <-> pixels through the VAE: whole or in tiles, with a check for not-a-number and one repeat in fp32."""

from __future__ import annotations

import gc
import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from PIL import Image

from modules.core.errors import StageError
from modules.processing.progress import Check, no_check

from .tiled_vae import tiled_decode, tiled_encode

if TYPE_CHECKING:
    from modules.processing.models.loader import LoadedModel

NO_MEMORY = ("out of memory", "not enough memory", "defaultcpuallocator", "can't allocate memory")
REMEMBERED = 16  # pictures whose latents a model keeps
log = logging.getLogger(__name__)


class Decoded(NamedTuple):
    """RGB float32 [B, 3, H, W] in [0, 1]. tile: the side of the tiles in pixels that were used, 0 for none."""

    pixels: torch.Tensor
    tile: int


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


def decode_latents(
    model: LoadedModel, latents: torch.Tensor, check: Check = no_check, *, nan_check: bool = True
) -> torch.Tensor:
    """The pixels of `decode`."""
    return decode(model, latents, check, nan_check=nan_check).pixels


@torch.no_grad()
def decode(model: LoadedModel, latents: torch.Tensor, check: Check = no_check, *, nan_check: bool = True) -> Decoded:
    """latents [B, C, h, w] -> pixels, picture by picture, so that a batch equals its parts.

    In tiles where `model.vae_tiles` says so, and where the memory does not suffice for the whole picture;
    `check` is called between tiles. Raises StageError when the result is not a number even in fp32.
    """
    rows, used = [], 0
    for row in latents.split(1):
        pixels, tile = _decode(model, row, check)
        if nan_check and not bool(torch.isfinite(pixels).all()):
            if not bool(torch.isfinite(row).all()):
                raise StageError("The latents are not numbers.", stage="denoise", hint="Use fp32 for the network.")
            with upcast(model.vae):
                pixels, tile = _decode(model, row, check)
            if not bool(torch.isfinite(pixels).all()):
                raise StageError(
                    "The VAE gave not-a-number pixels, in fp32 too.", stage="decode", hint="Choose another VAE."
                )
        used = max(used, tile)
        rows.append(pixels.float().add_(1).div_(2).clamp_(0, 1))
    return Decoded(rows[0] if len(rows) == 1 else torch.cat(rows), used)


def _decode(model: LoadedModel, latents: torch.Tensor, check: Check) -> Decoded:
    """Pixels in [-1, 1], in the VAE's own precision."""
    weight = next(model.vae.parameters())
    config = model.vae.config
    scaled = latents.float() / config["scaling_factor"] + (config.get("shift_factor") or 0.0)
    scaled = scaled.to(weight.device, weight.dtype)
    pixels = latents.shape[2] * latents.shape[3] * model.vae_factor**2
    return Decoded(
        *_whole_or_tiled(
            model,
            pixels,
            lambda: model.vae.decode(scaled, return_dict=False)[0],
            lambda tile: tiled_decode(model.vae, scaled, tile, check),
        )
    )


@torch.no_grad()
def encode_pixels(model: LoadedModel, pixels: torch.Tensor, check: Check = no_check) -> torch.Tensor:
    """RGB [B, 3, H, W] in [-1, 1] -> the mean latents [B, C, h, w], float32.

    Picture by picture, and in tiles, as in `decode`. The model remembers the last ones: batches share their source.
    """
    config = model.vae.config
    rows = [_remembered(model, row, check) for row in pixels.split(1)]
    return (torch.cat(rows) - (config.get("shift_factor") or 0.0)) * config["scaling_factor"]


def _remembered(model: LoadedModel, row: torch.Tensor, check: Check) -> torch.Tensor:
    """The mean latents of one picture, unscaled."""
    content = hashlib.sha256(row.contiguous().cpu().numpy().tobytes()).hexdigest()
    key = (content, tuple(row.shape), model.vae_tiles)
    mean = model.encoded.pop(key, None)
    if mean is None:
        weight = next(model.vae.parameters())
        moved = row.to(weight.device, weight.dtype)
        made, _ = _whole_or_tiled(
            model,
            row.shape[2] * row.shape[3],
            lambda: model.vae.encode(moved, return_dict=False)[0].mode(),
            lambda tile: tiled_encode(model.vae, moved, tile, check).chunk(2, dim=1)[0],
        )
        mean = made.float()
    model.encoded[key] = mean  # the last used is the last to go
    while len(model.encoded) > REMEMBERED:
        del model.encoded[next(iter(model.encoded))]
    return mean


def _whole_or_tiled(
    model: LoadedModel,
    pixels: int,
    whole: Callable[[], torch.Tensor],
    tiled: Callable[[int], torch.Tensor],
) -> tuple[torch.Tensor, int]:
    """What the VAE made of a picture of so many pixels, and the side of the tiles, 0 for none."""
    tiles = model.vae_tiles
    if not tiles.wanted(pixels):
        try:
            return whole(), 0
        except (RuntimeError, MemoryError) as error:
            if not _no_memory(error):
                raise
            log.warning("The memory does not suffice for the VAE; trying tiles of %d pixels.", tiles.size)
        gc.collect()  # after the handler: until then the error's traceback keeps the failed try's tensors
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return tiled(tiles.size), tiles.size


def _no_memory(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(one in text for one in NO_MEMORY)


def to_pixels(image: Image.Image) -> torch.Tensor:
    """RGB float32 [1, 3, H, W] in [-1, 1]."""
    array = np.asarray(image.convert("RGB"), np.float32) / 127.5 - 1.0
    return torch.from_numpy(array).permute(2, 0, 1)[None]


def to_images(pixels: torch.Tensor) -> list[Image.Image]:
    """RGB float [B, 3, H, W] in [0, 1] -> 8-bit pictures, rounded to nearest."""
    array = (pixels.cpu().float().permute(0, 2, 3, 1).numpy() * 255.0).round().astype(np.uint8)
    return [Image.fromarray(one, "RGB") for one in array]
