"""Image to image (SDEdit, arXiv:2108.01073): noise a picture part of the way, and denoise it again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from PIL import Image

from modules.imaging.colour import match_colours
from modules.imaging.masks import flatten
from modules.imaging.resize import Enlarge, resize_picture
from modules.processing.stages.condition import picture_condition
from modules.processing.stages.decode import encode_pixels, to_pixels
from modules.processing.stages.odd_sizes import canvas_size, pad_picture
from modules.processing.tasks import Start

if TYPE_CHECKING:
    from modules.processing.models.loader import LoadedModel
    from modules.processing.plan import Plan
    from modules.processing.progress import Check
    from modules.processing.requests import InitImage
    from modules.processing.runner import RunContext
    from modules.processing.tasks import Finish


def begin(plan: Plan, init: InitImage, count: int, model: LoadedModel, context: RunContext) -> Start:
    """`count` pictures of one batch, each from its own source."""
    assert plan.source is not None
    pictures = sources(plan, init, context)
    shape, factor, check = plan.request.shape, model.vae_factor, context.control.check
    if init.resize == "latent":
        size = plan.canvas[1] // factor, plan.canvas[0] // factor
        latents = torch.cat([_scaled_latents(model, one, size, check) for one in pictures])
        pixels = torch.cat([to_pixels(one.resize(plan.canvas, Image.Resampling.BILINEAR)) for one in pictures])
    else:
        pictures = [
            resize_picture(one, shape.width, shape.height, init.resize, enlarger(plan, context)) for one in pictures
        ]
        pixels = torch.cat([to_pixels(pad_picture(one, plan.canvas, plan.frame.odd_size)[0]) for one in pictures])
        latents = encode_pixels(model, pixels, check)
    rows = torch.arange(count) % len(latents)
    return Start(
        latents=latents[rows],
        seen=picture_condition(model, pixels[rows], latents[rows], None, plan.source.condition_weight, check),
        finish=colours_of(pictures) if plan.frame.match_colours else None,
    )


def sources(plan: Plan, init: InitImage, context: RunContext) -> list[Image.Image]:
    """The pictures to start from, RGB, transparent places on the background colour."""
    return [flatten(context.inputs.open(one), plan.frame.background) for one in init.images]


def enlarger(plan: Plan, context: RunContext) -> Enlarge | None:
    """What enlarges a source; None: Lanczos."""
    if plan.frame.upscaler == "None":
        return None
    upscaler = context.upscalers.find(plan.frame.upscaler, context.settings)
    return lambda image, width, height: upscaler.upscale(image, width, height, check=context.control.check)


def colours_of(pictures: Sequence[Image.Image]) -> Finish:
    """Gives each result the colours of its source."""

    def finish(images: Sequence[Image.Image], latents: torch.Tensor) -> list[Image.Image]:
        return [match_colours(image, pictures[index % len(pictures)]) for index, image in enumerate(images)]

    return finish


def _scaled_latents(model: LoadedModel, image: Image.Image, size: tuple[int, int], check: Check) -> torch.Tensor:
    """The picture's latents, its edges repeated up to whole ones, interpolated to size (h, w)."""
    whole = pad_picture(image, canvas_size(image.width, image.height, model.vae_factor), "replicate")[0]
    return F.interpolate(encode_pixels(model, to_pixels(whole), check), size=size, mode="bilinear")
