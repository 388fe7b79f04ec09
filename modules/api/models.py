"""A1111's request schemas: its field names and defaults. Unknown fields are accepted and told in `warnings`."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from modules.processing.requests import Tiling

Method = Literal["auto", "direct", "hires", "windows"]


def check_carried(value: Any) -> Any:
    """`value` itself; ValueError when it holds what strict JSON in UTF-8 cannot carry: NaN, infinity, lone surrogates.

    Python's parser lets them in, and a reply, a picture or a settings file could not hold them.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("NaN and infinity are not numbers that can be used.")
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError("The text has half a character (a lone surrogate) in it.") from error
    if isinstance(value, dict):
        for key, one in value.items():
            check_carried(key)
            try:
                check_carried(one)
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from None
    if isinstance(value, list):
        for one in value:
            check_carried(one)
    return value


class Body(BaseModel):
    """A request's body, all of whose values can be given back."""

    @model_validator(mode="before")
    @classmethod
    def _carried(cls, value: Any) -> Any:
        return check_carried(value)


class Lenient(Body):
    """Unknown fields are let in; null for any field is its default."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        return {name: one for name, one in value.items() if one is not None} if isinstance(value, dict) else value


class Generation(Lenient):
    """What txt2img and img2img share. None takes the setting of the same meaning."""

    prompt: str = ""
    negative_prompt: str = ""
    styles: list[str] | None = None
    seed: int = -1
    subseed: int = -1
    subseed_strength: float = 0
    seed_resize_from_h: int = -1
    seed_resize_from_w: int = -1
    sampler_name: str | None = None
    sampler_index: str = "Euler"
    scheduler: str | None = None
    batch_size: int = 1
    n_iter: int = 1
    steps: int = 50
    cfg_scale: float = 7.0
    width: int = 512
    height: int = 512
    restore_faces: bool | None = None
    tiling: Tiling | None = None
    do_not_save_samples: bool = False
    do_not_save_grid: bool = False
    eta: float | None = None
    s_min_uncond: float | None = None
    s_churn: float | None = None
    s_tmax: float | None = None
    s_tmin: float | None = None
    s_noise: float | None = None
    override_settings: dict[str, Any] | None = None
    override_settings_restore_afterwards: bool = True
    refiner_checkpoint: str | None = None
    refiner_switch_at: float | None = None
    disable_extra_networks: bool = False
    force_task_id: str | None = Field(default=None, max_length=200)
    script_name: str | None = None
    script_args: list[Any] | dict[str, Any] = Field(
        default_factory=list, description="In A1111's order, or by name; see /sdapi/v1/script-info."
    )
    alwayson_scripts: dict[str, Any] = Field(default_factory=dict)
    send_images: bool = True
    save_images: bool = False
    infotext: str | None = None
    easel_method: Method = Field(
        default="direct",
        description="Easel's own: how a size far from the model's is reached. auto chooses by the size; hires goes "
        "over an enlarged first picture (txt2img alone); windows paints overlapping parts.",
    )
    easel_windows: dict[str, Any] = Field(
        default_factory=dict,
        description="Easel's own, for the method windows: size, overlap (pixels), batch, weights (mixture or multi), "
        "regions [{left, top, right, bottom (0 to 1), prompt, weight}].",
    )


class Txt2Img(Generation):
    """POST /sdapi/v1/txt2img."""

    denoising_strength: float | None = Field(default=None, description="Of the second pass; null: 0.7.")
    firstpass_image: str | None = Field(
        default=None, description="A picture in base64 that takes the place of the first pass."
    )
    enable_hr: bool = False
    firstphase_width: int = Field(default=0, description="With it, width and height are the final size.")
    firstphase_height: int = 0
    hr_scale: float = 2.0
    hr_upscaler: str | None = Field(default=None, description="null: Latent.")
    hr_second_pass_steps: int = 0
    hr_resize_x: int = 0
    hr_resize_y: int = 0
    hr_checkpoint_name: str | None = None
    hr_sampler_name: str | None = None
    hr_scheduler: str | None = None
    hr_prompt: str = ""
    hr_negative_prompt: str = ""
    hr_cfg: float | None = Field(default=None, description="Easel's own: CFG scale of the second pass.")


class Img2Img(Generation):
    """POST /sdapi/v1/img2img. Pictures are base64, bare or as a data URI."""

    init_images: list[str] | None = Field(default=None, description="As many as batch_size, or fewer: then in turn.")
    resize_mode: int = Field(
        default=0, ge=0, le=3, description="0 just resize, 1 crop and resize, 2 resize and fill, 3 the latents."
    )
    denoising_strength: float = 0.75
    image_cfg_scale: float | None = Field(default=None, description="For InstructPix2Pix models; null: 1.5.")
    mask: str | None = Field(default=None, description="White is painted anew.")
    mask_blur_x: float = 4
    mask_blur_y: float = 4
    mask_blur: float | None = Field(default=None, description="Sets both.")
    mask_round: bool = True
    inpainting_fill: int = Field(
        default=0, ge=0, le=3, description="0 fill, 1 original, 2 latent noise, 3 latent nothing."
    )
    inpaint_full_res: bool = Field(default=True, description="Only the masked area.")
    inpaint_full_res_padding: int = 0
    inpainting_mask_invert: int = Field(default=0, ge=0, le=1)
    initial_noise_multiplier: float | None = None
    latent_mask: str | None = Field(
        default=None, description="In the place of mask: the picture outside it is decoded too, not put back."
    )
    include_init_images: bool = Field(default=False, description="Give the pictures back in parameters.")


Asked = Txt2Img | Img2Img


class ExtrasOptions(Lenient):
    """What both extras routes share. resize_mode 0: times upscaling_resize; 1: to upscaling_resize_w x _h."""

    resize_mode: Literal[0, 1] = 0
    show_extras_results: bool = Field(default=True, description="Give the pictures back.")
    gfpgan_visibility: float = Field(default=0, ge=0, le=1)
    codeformer_visibility: float = Field(default=0, ge=0, le=1)
    codeformer_weight: float = Field(default=0, ge=0, le=1)
    upscaling_resize: float = Field(default=2, gt=0)
    upscaling_resize_w: int = Field(default=512, ge=1)
    upscaling_resize_h: int = Field(default=512, ge=1)
    upscaling_crop: bool = True
    upscaler_1: str = "None"
    upscaler_2: str = "None"
    extras_upscaler_2_visibility: float = Field(default=0, ge=0, le=1)
    upscale_first: bool = Field(default=False, description="Before faces, whatever the setting of the order says.")


class ExtrasSingle(ExtrasOptions):
    """POST /sdapi/v1/extra-single-image."""

    image: str = ""


class FileData(Body):
    """`data`: a picture in base64. `name`: its file's."""

    data: str
    name: str = Field(default="", max_length=1000)


class ExtrasBatch(ExtrasOptions):
    """POST /sdapi/v1/extra-batch-images."""

    imageList: list[FileData]


class PngInfo(Body):
    """POST /sdapi/v1/png-info."""

    image: str


class Interrogate(Body):
    """POST /sdapi/v1/interrogate."""

    image: str = ""
    model: str = "clip"


class ProgressQuestion(Body):
    """POST /internal/progress."""

    id_task: str = Field(max_length=200)
    id_live_preview: int = -1
    live_preview: bool = True
