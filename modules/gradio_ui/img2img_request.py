"""img2img's form as requests: six modes of starting from a picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Literal, cast

from PIL import Image

from modules.core.errors import EaselError, UserError
from modules.gradio_ui.generation_request import Values, common_request, real, whole
from modules.imaging.inputs import PictureStore
from modules.imaging.masks import blur_mask
from modules.processing.requests import Generate, InitImage, Mask, MaskedImage, SoftInpainting

Mode = Literal["img2img", "sketch", "inpaint", "inpaint_sketch", "upload", "batch"]
MODES: tuple[Mode, ...] = ("img2img", "sketch", "inpaint", "inpaint_sketch", "upload", "batch")
MASKED: tuple[Mode, ...] = ("inpaint", "inpaint_sketch", "upload")
PICTURE: dict[Mode, str] = {"img2img": "image"}  # the control, where it is not named like the mode
SOFT: dict[str, float] = dataclasses.asdict(SoftInpainting())


def mode_of(values: Values) -> Mode:
    mode = values.get("mode")
    return cast(Mode, mode) if mode in MODES else "img2img"


def picture_of(values: Values) -> str:
    """The reference of the picture that the mode starts from; "" while there is none."""
    mode = mode_of(values)
    return values.get(PICTURE.get(mode, mode)) or ""


def mask_of(values: Values) -> str:
    """The reference of the mask: what was drawn, or the file; "" while there is none."""
    mode = mode_of(values)
    return values.get("upload_mask" if mode == "upload" else f"{mode}_drawn") or ""


def img2img_request(values: Values, store: PictureStore) -> Generate:
    """What the form says. What is drawn in colours is not in the picture yet: see `requests_of`."""
    picture = picture_of(values)
    request = scaled(values, common_request(values), store, picture)
    return dataclasses.replace(request, source=source_of(values, picture, mask_of(values)))


def scaled(values: Values, request: Generate, store: PictureStore, picture: str) -> Generate:
    """The request with a size that follows the picture, where the form says so."""
    size = scaled_size(values, store, picture) if values.get("resize_by") == "by" and picture else None
    if size is None:
        return request
    return dataclasses.replace(request, shape=dataclasses.replace(request.shape, width=size[0], height=size[1]))


def scaled_size(values: Values, store: PictureStore, picture: str) -> tuple[int, int] | None:
    """The picture's size times the scale, width and height in pixels; None when the picture is gone."""
    try:
        with Image.open(store.path(picture)) as image:
            return int(image.width * real(values, "scale", 1.0)), int(image.height * real(values, "scale", 1.0))
    except EaselError:
        return None


def source_of(values: Values, picture: str, mask: str, *, masked: bool | None = None) -> InitImage | MaskedImage:
    """`masked`: whether there is a mask to paint in; None: as the mode says."""
    init = InitImage(
        images=(picture,) if picture else (),
        strength=real(values, "strength", 0.75),
        resize=values.get("resize") or "just",
        image_cfg_scale=None if values.get("image_cfg_scale") is None else real(values, "image_cfg_scale", 1.5),
    )
    if not (mode_of(values) in MASKED if masked is None else masked):
        return init
    across = real(values, "mask_blur", 4.0)
    down = real(values, "mask_blur_y", -1.0)
    soft = {name: real(values, f"soft_{name}", default) for name, default in SOFT.items()}
    return MaskedImage(
        init=init,
        mask=Mask(
            image=mask,
            blur_x=across,
            blur_y=across if down < 0 else down,
            invert=values.get("mask_mode") == "not masked",
            round=not values.get("soft"),
        ),
        fill=values.get("fill") or "original",
        padding=whole(values, "padding", 32) if values.get("area") == "only masked" else None,
        soft=SoftInpainting(**soft) if values.get("soft") else None,
    )


def requests_of(values: Values, request: Generate, store: PictureStore) -> Iterator[Generate]:
    """The request with what was drawn in colours laid into its picture. UserError where a picture is missing."""
    mode, picture, drawn = mode_of(values), picture_of(values), mask_of(values)
    if not picture:
        raise UserError("There is no picture to start from.", hint="Drop one into the tab.", field="image")
    if mode in MASKED and not drawn:
        hint = "Choose the mask's file." if mode == "upload" else "Draw over what is to be painted anew."
        raise UserError("There is no mask.", hint=hint, field="mask")
    if mode == "sketch" and drawn:
        picture = store.put(sketched(store.open(picture), store.open(drawn)))
    elif mode == "inpaint_sketch":
        picture, drawn = (
            store.put(one)
            for one in painted_over(
                store.open(picture),
                store.open(drawn),
                transparency=real(values, "mask_alpha", 0.0) / 100,
                blur=(real(values, "mask_blur", 4.0), real(values, "mask_blur_y", -1.0)),
            )
        )
    elif mode == "inpaint":
        drawn = store.put(drawn_mask(store.open(drawn)))
    else:
        yield request
        return
    yield dataclasses.replace(request, source=source_of(values, picture, drawn))


def drawn_mask(drawn: Image.Image) -> Image.Image:
    """L, white where more than half covered. What is drawn everywhere is no picture whose grey would count."""
    return drawn.convert("RGBA").getchannel("A").point([255 if value > 128 else 0 for value in range(256)])


def sketched(picture: Image.Image, drawn: Image.Image) -> Image.Image:
    """The picture under what was drawn on it (RGBA, same size)."""
    return Image.alpha_composite(picture.convert("RGBA"), _fitted(drawn, picture))


def painted_over(
    picture: Image.Image, drawn: Image.Image, *, transparency: float, blur: tuple[float, float]
) -> tuple[Image.Image, Image.Image]:
    """(the picture with the drawn colours mixed in under a soft edge, the mask: L, white where colours are).

    transparency 0 to 1 makes the mask grey. blur: deviations in pixels across and down; -1 down is as across.
    """
    layer = _fitted(drawn, picture)
    ink = layer.getchannel("A").point([0] + [round(255 * (1 - transparency))] * 255)
    soft = blur_mask(ink, blur[0], blur[0] if blur[1] < 0 else blur[1])
    painted = Image.alpha_composite(picture.convert("RGBA"), layer)
    return Image.composite(painted.convert("RGB"), picture.convert("RGB"), soft), ink


def _fitted(drawn: Image.Image, picture: Image.Image) -> Image.Image:
    layer = drawn.convert("RGBA")
    return layer if layer.size == picture.size else layer.resize(picture.size)
