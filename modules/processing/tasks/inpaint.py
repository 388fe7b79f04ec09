"""Inpainting: paint what is masked anew, and keep the rest of the picture byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageOps

from modules.imaging.colour import match_colours
from modules.imaging.masks import Box, blur_mask, fill_hole, grow_box, keep_outside, painted_box, read_mask
from modules.imaging.resize import resize_picture
from modules.processing.stages.condition import picture_condition
from modules.processing.stages.decode import encode_pixels, to_pixels
from modules.processing.stages.odd_sizes import pad_picture, uncover
from modules.processing.stages.soft_mask import SoftBlend, changed_masks
from modules.processing.stages.start import make_noise
from modules.processing.tasks import Start
from modules.processing.tasks.img2img import enlarger, sources

if TYPE_CHECKING:
    from modules.processing.models.loader import LoadedModel
    from modules.processing.plan import PicturePlan, Plan
    from modules.processing.requests import Mask, MaskedImage
    from modules.processing.runner import RunContext


@dataclass(frozen=True, kw_only=True)
class _Work:
    """One picture's part of the work. `original` and `kept_mask` have one size; `box` is the part that is worked on.

    picture, mask: what goes through the network, of the asked size. kept_mask: what of the result covers the original.
    """

    original: Image.Image
    kept_mask: Image.Image
    box: Box | None
    picture: Image.Image
    mask: Image.Image


@dataclass(frozen=True, kw_only=True)
class KeepUnmasked:
    """latents: of the source, [B, C, h, w]; mask: [B, 1, h, w], 1 is painted anew."""

    latents: torch.Tensor
    mask: torch.Tensor

    def __call__(self, denoised: torch.Tensor, sigma: torch.Tensor, step: int) -> torch.Tensor:
        return denoised * self.mask + self.latents * (1 - self.mask)

    def only(self, place: int) -> KeepUnmasked:
        rows = slice(place, place + 1)
        return KeepUnmasked(latents=self.latents[rows], mask=self.mask[rows])


def begin(
    plan: Plan, source: MaskedImage, batch: tuple[PicturePlan, ...], model: LoadedModel, context: RunContext
) -> Start:
    assert plan.source is not None
    rounded = source.mask.round and source.soft is None
    drawn = read_mask(context.inputs.open(source.mask.image), round=rounded)
    works = [_prepare(plan, source, one, drawn, context) for one in sources(plan, source.init, context)]
    filled = [_filled(work, source) for work in works]
    how = plan.frame.odd_size
    pixels = torch.cat([to_pixels(pad_picture(one, plan.canvas, how)[0]) for one in filled])
    latents = encode_pixels(model, pixels, context.control.check)
    rows = torch.arange(len(batch)) % len(works)
    masks = [pad_picture(work.mask, plan.canvas, how)[0] for work in works]
    small = torch.cat([latent_mask(one, latents.shape[2:], round=rounded) for one in masks])
    small, latents = small[rows].to(latents), latents[rows]
    if source.fill == "latent noise":
        latents = latents * (1 - small) + make_noise(plan, batch, model).initial() * small
    elif source.fill == "latent nothing":
        latents = latents * (1 - small)
    shown = torch.stack([_grey(one) for one in masks])
    shown = shown.round() if rounded else shown
    weight = plan.source.condition_weight
    seen = picture_condition(model, pixels[rows], latents, shown[rows], weight, context.control.check)
    if source.soft is None:
        blend = KeepUnmasked(latents=latents, mask=small)
    else:
        blend = SoftBlend(latents=latents, mask=small, soft=source.soft)

    def finish(images: Sequence[Image.Image], final: torch.Tensor) -> list[Image.Image]:
        made = []
        changed = changed_masks(blend, final, plan.canvas) if isinstance(blend, SoftBlend) else []
        for index, image in enumerate(images):
            work = works[index % len(works)]
            if changed:
                work = replace(work, kept_mask=_in_place(uncover(changed[index], image.size, how), work))
            if plan.frame.match_colours:
                image = match_colours(image, work.picture)
            made.append(_put_back(image, work, overlay=plan.frame.overlay))
        return made

    return Start(latents=latents, seen=seen, blend=blend, finish=finish)


def _prepare(plan: Plan, source: MaskedImage, picture: Image.Image, drawn: Image.Image, context: RunContext) -> _Work:
    """Cut or resize one picture and its mask to the asked size."""
    shape, mask = plan.request.shape, _shaped(drawn, source.mask, picture.size)
    width, height = shape.width, shape.height
    enlarge = enlarger(plan, context)
    if source.padding is not None:
        box = painted_box(mask, source.padding)
        box = grow_box(box, width, height, *picture.size)
        part = resize_picture(picture.crop(box), width, height, "fill", enlarge)
        return _Work(
            original=picture,
            kept_mask=mask,
            box=box,
            picture=part,
            mask=resize_picture(mask.crop(box), width, height, "fill"),
        )
    mode = "just" if source.init.resize == "latent" else source.init.resize
    picture = resize_picture(picture, width, height, mode, enlarge)
    mask = resize_picture(mask, width, height, mode)
    twice = mask.point([min(2 * value, 255) for value in range(256)])  # what is half masked is the painter's
    return _Work(original=picture, kept_mask=twice, box=None, picture=picture, mask=mask)


def _shaped(drawn: Image.Image, mask: Mask, size: tuple[int, int]) -> Image.Image:
    """Inverted and blurred as asked, of the picture's size."""
    if drawn.size != size:
        drawn = drawn.resize(size, Image.Resampling.NEAREST if mask.round else Image.Resampling.LANCZOS)
    return blur_mask(ImageOps.invert(drawn) if mask.invert else drawn, mask.blur_x, mask.blur_y)


def _filled(work: _Work, source: MaskedImage) -> Image.Image:
    return work.picture if source.fill == "original" else fill_hole(work.picture, work.mask)


def latent_mask(mask: Image.Image, size: Sequence[int], *, round: bool) -> torch.Tensor:
    """[1, 1, h, w] of latents, 1 is painted anew."""
    small = _grey(mask.resize((size[1], size[0])))
    return (small.round() if round else small)[None]


def _grey(mask: Image.Image) -> torch.Tensor:
    """[1, H, W] in [0, 1]."""
    return torch.from_numpy(np.asarray(mask, np.float32) / 255)[None]


def _put_back(image: Image.Image, work: _Work, *, overlay: bool) -> Image.Image:
    """The result in its place in the original."""
    image = _in_place(image, work)
    return keep_outside(work.original, image, work.kept_mask) if overlay else image


def _in_place(image: Image.Image, work: _Work) -> Image.Image:
    """A result, or a mask of it, brought to the original's size; around what was worked on: the original, or black."""
    if work.box is None:
        return image
    left, top, right, bottom = work.box
    whole = Image.new("L", work.original.size) if image.mode == "L" else work.original.copy()
    whole.paste(resize_picture(image, right - left, bottom - top, "crop"), (left, top))
    return whole
