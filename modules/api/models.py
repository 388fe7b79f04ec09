"""A1111's request schemas: its field names and defaults. Unknown fields are accepted and told in `warnings`."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


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


class Txt2Img(Body):
    """POST /sdapi/v1/txt2img. None takes the setting of the same meaning; null for any field is its default."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        return {name: one for name, one in value.items() if one is not None} if isinstance(value, dict) else value

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
    tiling: bool | None = None
    do_not_save_samples: bool = False
    do_not_save_grid: bool = False
    eta: float | None = None
    s_min_uncond: float | None = None
    s_churn: float | None = None
    s_tmax: float | None = None
    s_tmin: float | None = None
    s_noise: float | None = None
    denoising_strength: float | None = None
    override_settings: dict[str, Any] | None = None
    override_settings_restore_afterwards: bool = True
    refiner_checkpoint: str | None = None
    refiner_switch_at: float | None = None
    disable_extra_networks: bool = False
    firstpass_image: str | None = None
    enable_hr: bool = False
    firstphase_width: int = 0
    firstphase_height: int = 0
    hr_scale: float = 2.0
    hr_upscaler: str | None = None
    hr_second_pass_steps: int = 0
    hr_resize_x: int = 0
    hr_resize_y: int = 0
    hr_checkpoint_name: str | None = None
    hr_sampler_name: str | None = None
    hr_scheduler: str | None = None
    hr_prompt: str = ""
    hr_negative_prompt: str = ""
    force_task_id: str | None = Field(default=None, max_length=200)
    script_name: str | None = None
    script_args: list[Any] | dict[str, Any] = Field(
        default_factory=list, description="In A1111's order, or by name; see /sdapi/v1/script-info."
    )
    alwayson_scripts: dict[str, Any] = Field(default_factory=dict)
    send_images: bool = True
    save_images: bool = False
    infotext: str | None = None


class PngInfo(Body):
    """POST /sdapi/v1/png-info."""

    image: str


class ProgressQuestion(Body):
    """POST /internal/progress."""

    id_task: str = Field(max_length=200)
    id_live_preview: int = -1
    live_preview: bool = True
