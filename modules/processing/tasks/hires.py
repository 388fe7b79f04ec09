"""Hires fix: enlarge the first pass's picture, and go over it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from PIL import Image

from modules.imaging.masks import flatten
from modules.processing.stages.condition import extra_channels, picture_condition
from modules.processing.stages.decode import decode_latents, encode_pixels, to_images, to_pixels
from modules.processing.stages.odd_sizes import pad_picture
from modules.processing.tasks import Start
from modules.processing.upscalers.latent import LATENT_MODES, upscale_latents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modules.processing.models.loader import LoadedModel
    from modules.processing.plan import HiresPlan
    from modules.processing.progress import Check
    from modules.processing.runner import RunContext


def begin(
    hires: HiresPlan,
    latents: torch.Tensor | None,
    pictures: Sequence[Image.Image] | None,
    model: LoadedModel,
    context: RunContext,
) -> Start:
    """Where the second pass starts: from the first pass's latents [B, C, h, w], or from its pictures, as the upscaler
    needs; the other may be None.
    """
    source, canvas, check = hires.second.source, hires.second.canvas, context.control.check
    assert source is not None
    if enlarges_latents(hires):
        assert latents is not None
        enlarged = _enlarge_latents(hires, latents, model)
        seen = None
        if extra_channels(model) > 0:
            shown = pictures or to_images(decode_latents(model, latents, check))
            pixels = torch.cat([to_pixels(one.resize(canvas, Image.Resampling.LANCZOS)) for one in shown])
            seen = picture_condition(model, pixels, enlarged, None, source.condition_weight, check)
        return Start(latents=enlarged, seen=seen)
    assert pictures is not None
    how = hires.second.frame.odd_size
    big = [_enlarge_picture(hires, one, context) for one in pictures]
    pixels = torch.cat([to_pixels(pad_picture(one, canvas, how)[0]) for one in big])
    enlarged = encode_pixels(model, pixels, check)
    seen = picture_condition(model, pixels, enlarged, None, source.condition_weight, check)
    return Start(latents=enlarged, seen=seen)


def enlarges_latents(hires: HiresPlan) -> bool:
    return hires.upscaler in LATENT_MODES


def latents_of(picture: Image.Image, count: int, model: LoadedModel, check: Check) -> torch.Tensor:
    """The latents of a finished picture that takes the place of the first pass, [count, C, h, w]."""
    factor = model.vae_factor
    whole = picture.width // factor * factor, picture.height // factor * factor
    return encode_pixels(model, to_pixels(picture.crop((0, 0, *whole))), check).expand(count, -1, -1, -1)


def given_picture(hires: HiresPlan, context: RunContext) -> Image.Image:
    """The finished picture that takes the place of the first pass, RGB."""
    return flatten(context.inputs.open(hires.first), hires.second.frame.background)


def _enlarge_latents(hires: HiresPlan, latents: torch.Tensor, model: LoadedModel) -> torch.Tensor:
    """To the cover size, and the middle of it that the canvas takes."""
    factor = model.vae_factor
    width, height = (side // factor for side in hires.second.canvas)
    cover_width, cover_height = (-(-side // factor) for side in hires.cover)
    big = upscale_latents(latents, (max(cover_height, height), max(cover_width, width)), hires.upscaler)
    top, left = (big.shape[2] - height) // 2, (big.shape[3] - width) // 2
    return big[:, :, top : top + height, left : left + width]


def _enlarge_picture(hires: HiresPlan, picture: Image.Image, context: RunContext) -> Image.Image:
    shape = hires.second.request.shape
    upscaler = context.upscalers.find(hires.upscaler, context.settings)
    big = upscaler.upscale(picture, *hires.cover, check=context.control.check)
    left, top = (big.width - shape.width) // 2, (big.height - shape.height) // 2
    return big.crop((left, top, left + shape.width, top + shape.height))
