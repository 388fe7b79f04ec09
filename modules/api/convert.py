"""A1111's request to ours, and a finished job to A1111's reply."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modules.api.limits import check_limits
from modules.api.models import Asked, Img2Img
from modules.api.pictures import keeper
from modules.api.read_pictures import read_hires, read_shape, read_source
from modules.api.read_scripts import read_script, with_always_on
from modules.core.errors import EaselError, NotFoundError, UserError
from modules.core.settings import Settings
from modules.imaging.inputs import PictureStore
from modules.imaging.saving import SAMPLES_SAVE
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
)
from modules.processing.samplers import samplers
from modules.processing.schedules import split_combined_name
from modules.processing.scripts.script import Tab
from modules.processing.tasks.options import NOISE_MULTIPLIER, OVERLAY

# our names of a request's parts, where they differ from A1111's
THEIRS = {
    "batch_count": "n_iter",
    "variation": "subseed",
    "variation_strength": "subseed_strength",
    "resize_from_width": "seed_resize_from_w",
    "resize_from_height": "seed_resize_from_h",
    "padding": "inpaint_full_res_padding",
    "hires_width": "hr_resize_x",
    "hires_height": "hr_resize_y",
    "hires_steps": "hr_second_pass_steps",
    "hires_cfg_scale": "hr_cfg",
    "method": "easel_method",
}
KINDS = {
    "sampler": "sampler_name",
    "schedule": "scheduler",
    "upscaler": "hr_upscaler",
    "setting": "override_settings",
    "script": "script_name",
}  # as fields of an error, not as words of its message


def read_request(body: Asked, settings: Settings, inputs: PictureStore) -> tuple[Generate, list[str]]:
    """The request and what should be told about it; UserError names the field that cannot be granted."""
    _refuse_unsupported(body)
    tab: Tab = "img2img" if isinstance(body, Img2Img) else "txt2img"
    body = with_always_on(body, tab)
    keep = keeper(inputs, settings)
    overrides = dict(body.override_settings or {})
    clip_skip = overrides.pop(CLIP_SKIP.key, None)
    checkpoint, vae = overrides.pop("sd_model_checkpoint", None), overrides.pop("sd_vae", None)
    if body.do_not_save_samples:
        overrides[SAMPLES_SAVE.key] = False  # the grid may still be saved
    if isinstance(body, Img2Img):
        if body.initial_noise_multiplier is not None:
            overrides[NOISE_MULTIPLIER.key] = body.initial_noise_multiplier
        if body.latent_mask:
            overrides[OVERLAY.key] = False
    settings.with_overrides(overrides)  # raises for an unknown or forbidden one, before anything is queued
    refiner = None
    if body.refiner_checkpoint and body.refiner_checkpoint != "None":
        switch_at = 0.8 if body.refiner_switch_at is None else body.refiner_switch_at
        refiner = Refiner(checkpoint=body.refiner_checkpoint, switch_at=switch_at)
    request = Generate(
        prompt=Prompt(positive=body.prompt, negative=body.negative_prompt, styles=tuple(body.styles or ())),
        shape=read_shape(body),
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
        source=read_source(body, keep),
        after=After(
            save=body.save_images,
            grid=body.save_images and not body.do_not_save_grid,
            hires=read_hires(body, keep),
            script=read_script(body.script_name, body.script_args, tab),
        ),
        overrides=overrides,
    )
    check_limits(request, settings)
    return request, [f"Unknown field {name!r} was ignored." for name in (body.model_extra or {})]


@contextmanager
def in_their_words() -> Iterator[None]:
    """Errors about a part of the request are told under A1111's name for it."""
    try:
        yield
    except UserError as error:
        message = re.sub("|".join(rf"\b{ours}\b" for ours in THEIRS), lambda found: THEIRS[found[0]], error.message)
        field = {**THEIRS, **KINDS}.get(error.field, error.field)
        field = "script_args" if field.startswith("script.") else field
        raise type(error)(message, hint=error.hint, field=field) from error


def reply_of(body: Asked, job: Any, warnings: list[str]) -> dict[str, Any]:
    """{images, parameters, info, warnings} of a finished job; EaselError when it failed."""
    result = result_of(job)
    pictures = result.get("pictures", []) if body.send_images else []
    info = dict(result.get("info") or {})
    parameters = body.model_dump()
    if isinstance(body, Img2Img) and not body.include_init_images:
        parameters |= {"init_images": None, "mask": None, "latent_mask": None}
    return {
        "images": [encode_file(Path(one["path"])) for one in pictures],
        "parameters": parameters,
        "info": json.dumps(info),
        "warnings": [*warnings, *info.get("warnings", [])],
    }


def result_of(job: Any) -> Mapping[str, Any]:
    """What a finished job came to; EaselError when it failed, or was cancelled before it began."""
    state = str(getattr(job.state, "value", job.state))
    if state == "failed":
        field = job.error.get("field") if isinstance(job.error, Mapping) else ""
        raise UserError(_error_text(job.error), field=field) if field else EaselError(_error_text(job.error))
    result = job.result if isinstance(job.result, Mapping) else {}
    if state == "cancelled" and not result:
        raise UserError("The job was cancelled before it began.")
    return result


def encode_file(path: Path) -> str:
    """The saved file itself as base64, metadata included; nothing is encoded anew."""
    try:
        return base64.b64encode(path.read_bytes()).decode("ascii")
    except FileNotFoundError as error:
        raise NotFoundError(f"The picture {path.name} is gone.") from error


def _sampling(body: Asked) -> Sampling:
    wish = body.sampler_name or body.sampler_index
    name, schedule = split_combined_name(wish)  # "DPM++ 2M Karras", from before the two were parted, wins
    if wish in samplers:
        schedule = body.scheduler or "Automatic"
    churn = Churn(s_churn=body.s_churn, s_tmin=body.s_tmin, s_tmax=body.s_tmax, s_noise=body.s_noise)
    return Sampling(
        sampler=name,
        schedule=schedule,
        steps=body.steps,
        cfg_scale=body.cfg_scale,
        eta=body.eta,
        churn=churn if churn != Churn() else None,
        negative_guidance_minimum_sigma=body.s_min_uncond,
    )


def _refuse_unsupported(body: Asked) -> None:
    """Only what is really asked for: clients send every field of A1111's, most of them switched off."""
    if body.restore_faces:
        raise UserError(
            "restore_faces asks for faces drawn anew, which new pictures cannot have: Easel has no face detector.",
            hint="Crop the face to a square and restore it in Extras.",
            field="restore_faces",
        )
    if not body.override_settings_restore_afterwards and body.override_settings:
        raise UserError(
            "override_settings_restore_afterwards: false is not supported.",
            hint="Change settings with POST /sdapi/v1/options.",
            field="override_settings_restore_afterwards",
        )


def _text(value: object, field: str) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    raise UserError(f"{field} is {str(value)[:80]!r}, but text was expected.", field=field)


def _error_text(error: Any) -> str:
    if isinstance(error, Mapping):
        return f"{error.get('message', '')} {error.get('hint') or ''}".strip()
    return str(error)
