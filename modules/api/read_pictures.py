"""The pictures that A1111's requests start from, and its second pass, as parts of our request."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

from modules.api.models import Asked, Img2Img, Txt2Img
from modules.api.pictures import Keep
from modules.core.errors import NotFoundError, UserError
from modules.processing.pasted import SAME, SOFT_TITLE
from modules.processing.requests import (
    Fill,
    Hires,
    HiresPass,
    InitImage,
    Mask,
    MaskedImage,
    Noise,
    ResizeMode,
    Shape,
    SoftInpainting,
    Source,
    Windows,
    read_dataclass,
)


def read_source(body: Asked, keep: Keep) -> Source:
    """NotFoundError, as in A1111, when there is no picture."""
    if isinstance(body, Txt2Img):
        return Noise()
    pictures = body.init_images or []
    if not pictures:
        raise NotFoundError("Init image not found")
    if len(pictures) > body.batch_size > 0:
        raise UserError(
            f"init_images has {len(pictures)} pictures, but batch_size is {body.batch_size}.",
            hint="Send as many as there are in a batch, or fewer.",
            field="init_images",
        )
    mask = read_mask(body, keep)
    only_masked = mask is not None and body.inpaint_full_res and not body.latent_mask
    resize: ResizeMode = get_args(ResizeMode)[body.resize_mode]
    init = InitImage(
        images=tuple(keep(one, f"init_images[{index}]") for index, one in enumerate(pictures)),
        strength=body.denoising_strength,
        resize="just" if only_masked and resize == "latent" else resize,  # the cut part has the asked size already
        image_cfg_scale=body.image_cfg_scale,
    )
    if mask is None:
        return init
    fill: Fill = get_args(Fill)[body.inpainting_fill]
    padding = body.inpaint_full_res_padding if only_masked else None
    return MaskedImage(init=init, mask=mask, fill=fill, padding=padding, soft=read_soft(body.alwayson_scripts))


def read_mask(body: Img2Img, keep: Keep) -> Mask | None:
    if body.mask and body.latent_mask:
        raise UserError("mask and latent_mask came together.", hint="Send one of them.", field="latent_mask")
    picture, field = (body.mask, "mask") if body.mask else (body.latent_mask, "latent_mask")
    if not picture:
        return None
    return Mask(
        image=keep(picture, field),
        blur_x=body.mask_blur_x if body.mask_blur is None else body.mask_blur,
        blur_y=body.mask_blur_y if body.mask_blur is None else body.mask_blur,
        invert=bool(body.inpainting_mask_invert),
        round=body.mask_round,
    )


def read_soft(scripts: dict[str, Any]) -> SoftInpainting | None:
    """Soft inpainting is a script of A1111: {"Soft Inpainting": {"args": [enabled, six numbers]}}, fewer or none."""
    script = next((one for name, one in scripts.items() if name.casefold() == SOFT_TITLE.casefold()), None)
    arguments = script.get("args", []) if isinstance(script, dict) else []
    names = [one.name for one in dataclasses.fields(SoftInpainting)]
    numbers = arguments[1:] if isinstance(arguments, list) else None
    if numbers is None or len(numbers) > len(names) or not all(type(one) in (int, float) for one in numbers):
        raise UserError(
            f"The args of {SOFT_TITLE} are {str(arguments)[:80]}, but true or false and at most six numbers were "
            "expected.",
            hint=f"In order: {', '.join(names)}.",
            field="alwayson_scripts",
        )
    enabled = bool(arguments) and arguments[0] is True
    return SoftInpainting(**dict(zip(names, map(float, numbers), strict=False))) if enabled else None


def read_shape(body: Asked) -> Shape:
    """Of the first pass, where there are two."""
    width, height = body.width, body.height
    if isinstance(body, Txt2Img) and body.enable_hr and _old_first_pass(body):
        width = body.firstphase_width or round(body.firstphase_height * width / max(height, 1) / 8) * 8
        height = body.firstphase_height or round(body.firstphase_width * height / max(body.width, 1) / 8) * 8
    windows = read_dataclass(Windows, body.easel_windows, "easel_windows.")
    return Shape(
        width=width,
        height=height,
        batch_size=body.batch_size,
        batch_count=body.n_iter,
        method=body.easel_method,
        windows=windows,
    )


def read_hires(body: Asked, keep: Keep) -> Hires | None:
    if isinstance(body, Img2Img):
        return None
    if not body.enable_hr:
        if body.firstpass_image:
            raise UserError(
                "firstpass_image came, but there is no second pass.", hint="Send enable_hr.", field="firstpass_image"
            )
        return None
    old = _old_first_pass(body)
    return Hires(
        upscaler=body.hr_upscaler or "Latent",
        scale=body.hr_scale,
        width=body.width if old else body.hr_resize_x,
        height=body.height if old else body.hr_resize_y,
        steps=body.hr_second_pass_steps,
        strength=0.7 if body.denoising_strength is None else body.denoising_strength,
        first=keep(body.firstpass_image, "firstpass_image") if body.firstpass_image else "",
        second=HiresPass(
            positive=body.hr_prompt,
            negative=body.hr_negative_prompt,
            sampler=_other(body.hr_sampler_name),
            schedule=_other(body.hr_scheduler),
            checkpoint=_other(body.hr_checkpoint_name),
            cfg_scale=body.hr_cfg,
        ),
    )


def _old_first_pass(body: Txt2Img) -> bool:
    """The meaning from before hr_scale: width and height are the final size."""
    return body.firstphase_width > 0 or body.firstphase_height > 0


def _other(name: str | None) -> str | None:
    return None if not name or name.startswith(SAME) else name
