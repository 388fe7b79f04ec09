"""A1111's request to ours, and a finished job to A1111's reply."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modules.api.models import Txt2Img
from modules.core.errors import EaselError, NotFoundError, UserError
from modules.core.settings import Setting, Settings, define
from modules.processing.options import CLIP_SKIP
from modules.processing.requests import (
    After,
    Churn,
    Generate,
    ModelChoice,
    Prompt,
    Refiner,
    Sampling,
    Seed,
    Shape,
)
from modules.processing.samplers import samplers

MAX_PIXELS = define(
    Setting(
        "api_max_pixels",
        4_194_304,
        "Largest picture by API (pixels)",
        section="API",
        scope="admin",
        minimum=4096,
        maximum=268_435_456,
    )
)
MAX_PICTURES = define(
    Setting(
        "api_max_pictures",
        100,
        "Most pictures of one API call",
        section="API",
        scope="admin",
        minimum=1,
        maximum=10_000,
    )
)


def read_txt2img(body: Txt2Img, settings: Settings) -> tuple[Generate, list[str]]:
    """The request and what should be told about it; UserError names the field that cannot be granted."""
    _refuse_unsupported(body)
    _check_limits(body, settings)
    overrides = dict(body.override_settings or {})
    clip_skip = overrides.pop(CLIP_SKIP.key, None)
    checkpoint, vae = overrides.pop("sd_model_checkpoint", None), overrides.pop("sd_vae", None)
    settings.with_overrides(overrides)  # raises for an unknown or forbidden one, before anything is queued
    refiner = None
    if body.refiner_checkpoint and body.refiner_checkpoint != "None":
        switch_at = 0.8 if body.refiner_switch_at is None else body.refiner_switch_at
        refiner = Refiner(checkpoint=body.refiner_checkpoint, switch_at=switch_at)
    request = Generate(
        prompt=Prompt(positive=body.prompt, negative=body.negative_prompt, styles=tuple(body.styles or ())),
        shape=Shape(width=body.width, height=body.height, batch_size=body.batch_size, batch_count=body.n_iter),
        seed=Seed(
            seed=body.seed,
            variation=body.subseed,
            variation_strength=body.subseed_strength,
            resize_from_width=max(0, body.seed_resize_from_w),
            resize_from_height=max(0, body.seed_resize_from_h),
        ),
        sampling=_sampling(body),
        model=ModelChoice(
            checkpoint=_text(checkpoint, "sd_model_checkpoint"),
            vae=_text(vae, "sd_vae"),
            clip_skip=None if clip_skip is None else CLIP_SKIP.check(clip_skip),
            refiner=refiner,
            networks=not body.disable_extra_networks,
            tiling=body.tiling,
        ),
        after=After(save=body.save_images, grid=body.save_images and not body.do_not_save_grid),
        overrides=overrides,
    )
    return request, _warnings(body)


def reply_of(body: Txt2Img, job: Any, warnings: list[str]) -> dict[str, Any]:
    """{images, parameters, info, warnings} of a finished job; EaselError when it failed."""
    state = str(getattr(job.state, "value", job.state))
    if state == "failed":
        raise EaselError(_error_text(job.error))
    result = job.result if isinstance(job.result, Mapping) else {}
    if state == "cancelled" and not result:
        raise UserError("The job was cancelled before it began.")
    pictures = result.get("pictures", []) if body.send_images else []
    info = dict(result.get("info") or {})
    return {
        "images": [encode_file(Path(one["path"])) for one in pictures],
        "parameters": body.model_dump(),
        "info": json.dumps(info),
        "warnings": [*warnings, *info.get("warnings", [])],
    }


def encode_file(path: Path) -> str:
    """The saved file itself as base64, metadata included; nothing is encoded anew."""
    try:
        return base64.b64encode(path.read_bytes()).decode("ascii")
    except FileNotFoundError as error:
        raise NotFoundError(f"The picture {path.name} is gone.") from error


def _sampling(body: Txt2Img) -> Sampling:
    name = body.sampler_name or body.sampler_index
    churn = Churn(s_churn=body.s_churn, s_tmin=body.s_tmin, s_tmax=body.s_tmax, s_noise=body.s_noise)
    if not body.scheduler:
        from modules.processing.schedules import split_combined_name

        name, schedule = split_combined_name(name)  # "DPM++ 2M Karras", the names before they were parted
    else:
        schedule = body.scheduler
    return Sampling(
        sampler=samplers.canonical(name),
        schedule=schedule or "Automatic",
        steps=body.steps,
        cfg_scale=body.cfg_scale,
        eta=body.eta,
        churn=churn if churn != Churn() else None,
        negative_guidance_minimum_sigma=body.s_min_uncond,
    )


def _refuse_unsupported(body: Txt2Img) -> None:
    asked = {
        "enable_hr": body.enable_hr,
        "script_name": bool(body.script_name),
        "alwayson_scripts": bool(body.alwayson_scripts),
        "restore_faces": bool(body.restore_faces),
        "firstpass_image": bool(body.firstpass_image),
        "infotext": bool(body.infotext),
    }
    for field, wanted in asked.items():
        if wanted:
            raise UserError(f"{field} is not supported yet.", hint="Leave it out.", field=field)
    if not body.override_settings_restore_afterwards and body.override_settings:
        raise UserError(
            "override_settings_restore_afterwards: false is not supported.",
            hint="Change settings with POST /sdapi/v1/options.",
            field="override_settings_restore_afterwards",
        )


def _check_limits(body: Txt2Img, settings: Settings) -> None:
    pixels = body.width * body.height
    if min(body.width, body.height) > 0 and pixels > settings[MAX_PIXELS]:
        field = "width" if body.width >= body.height else "height"
        raise UserError(
            f"{body.width}x{body.height} is {pixels} pixels, more than the {settings[MAX_PIXELS]} allowed.", field=field
        )
    for field in ("batch_size", "n_iter", "steps"):
        if getattr(body, field) < 1:
            raise UserError(f"{field} is {getattr(body, field)}, but at least 1 is needed.", field=field)
    if body.batch_size * body.n_iter > settings[MAX_PICTURES]:
        field = "batch_size" if body.batch_size > body.n_iter else "n_iter"
        raise UserError(f"batch_size x n_iter is more than {settings[MAX_PICTURES]} pictures.", field=field)


def _warnings(body: Txt2Img) -> list[str]:
    return [f"Unknown field {name!r} was ignored." for name in (body.model_extra or {})]


def _text(value: object, field: str) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    raise UserError(f"{field} is {str(value)[:80]!r}, but text was expected.", field=field)


def _error_text(error: Any) -> str:
    if isinstance(error, Mapping):
        return f"{error.get('message', '')} {error.get('hint') or ''}".strip()
    return str(error)
