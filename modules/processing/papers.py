"""A picture's papers: the A1111 infotext it carries and the JSON request beside it. `pasted` reads them back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import get_args

from modules.core.settings import Settings, setting_registry
from modules.core.version import VERSION
from modules.imaging.infotext import build_infotext
from modules.processing import options
from modules.processing.plan import PicturePlan, Plan
from modules.processing.requests import Fill, ResizeMode, SoftInpainting
from modules.processing.samplers import knob_settings, samplers
from modules.processing.samplers import options as sampler_options

FORMAT = 1  # of the JSON block
RESIZES: Mapping[ResizeMode, str] = {
    "just": "Just resize",
    "crop": "Crop and resize",
    "fill": "Resize and fill",
    "latent": "Just resize (latent upscale)",
}
FILLS: Mapping[Fill, str] = {one: one for one in get_args(Fill)}
SOFT = {one.name: f"Soft inpainting {one.name.replace('_', ' ')}" for one in dataclasses.fields(SoftInpainting)}


def infotext_fields(plan: Plan, picture: PicturePlan, settings: Settings) -> dict[str, object]:
    """The fields of one picture in A1111's order. None values are left out by the writer."""
    shape, noise, model = plan.request.shape, plan.noise, plan.model
    varied = noise.strength > 0
    height, width = noise.resize_from
    vae = model.vae
    fields: dict[str, object] = {
        "Steps": plan.sampling.steps,
        "Sampler": plan.sampling.sampler,
        "Schedule type": plan.sampling.schedule,
        "CFG scale": _short(plan.guidance.cfg_scale),
        "Seed": picture.seed,
        "Size": f"{shape.width}x{shape.height}",
        "Model hash": model.checkpoint.short_hash if settings[options.ADD_HASH] else None,
        "Model": _plain(model.checkpoint.stem) if settings[options.ADD_NAME] else None,
        "VAE hash": vae.short_hash if vae and settings[options.ADD_VAE_HASH] else None,
        "VAE": _plain(vae.path.name) if vae and settings[options.ADD_VAE_NAME] else None,
        "Variation seed": picture.variation if varied else None,
        "Variation seed strength": _short(noise.strength) if varied else None,
        "Seed resize from": f"{width}x{height}" if width and height else None,
        "Clip skip": plan.text.clip_skip if plan.text.clip_skip > 1 else None,
        "ENSD": plan.noise.ensd or None,
        "RNG": noise.source if noise.source != "GPU" else None,
        "Tiling": True if model.tiling else None,
    }
    fields.update(_extra_fields(plan, picture))
    if model.refiner is not None:
        fields["Refiner"] = _plain(model.refiner.title)
        fields["Refiner switch at"] = _short(model.switch_at)
    fields["Version"] = f"Easel {VERSION}" if settings[options.ADD_VERSION] else None
    return fields


KNOBS = (
    sampler_options.ETA_DDIM,
    sampler_options.ETA_ANCESTRAL,
    sampler_options.S_CHURN,
    sampler_options.S_TMIN,
    sampler_options.S_TMAX,
    sampler_options.S_NOISE,
    sampler_options.UNI_PC_VARIANT,
    sampler_options.UNI_PC_SKIP,
    sampler_options.UNI_PC_ORDER,
    sampler_options.UNI_PC_LOWER_ORDER,
)  # written by the samplers that read them, and by no other
_OWN_PLACE = {"Clip skip", "ENSD", "RNG", "Tiling"}


def _extra_fields(plan: Plan, picture: PicturePlan) -> dict[str, object]:
    """Settings that differ from their default and matter to this picture, under their infotext names."""
    sampler = samplers.get(plan.sampling.sampler)
    fields: dict[str, object] = {}
    own = knob_settings(sampler)
    for name, setting in own.items():
        if plan.sampling.knobs[name] != setting.default:
            fields[setting.infotext] = _short(plan.sampling.knobs[name])
    for key, value in plan.request.overrides.items():
        setting = setting_registry.get(key)
        field = setting.infotext
        if not field or field in _OWN_PLACE or field in fields or setting in KNOBS:
            continue
        if field == "Emphasis" and not any(mark in picture.text + picture.negative for mark in "(["):
            continue
        if field == "Refiner switch by sampling steps" and plan.model.refiner is None:
            continue
        if value != setting.default:
            fields[field] = _short(value)
    return fields


def _short(value: object) -> object:
    """7.0 as 7, everything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _plain(name: str) -> str:
    return name.replace(",", "").replace(":", "")


def picture_request(plan: Plan, batch: int, index: int, environment: Mapping[str, object]) -> str:
    """The JSON block: the request of the whole batch, which place in it this picture has, and what made it."""
    checkpoint, vae = plan.model.checkpoint, plan.model.vae
    block = {
        "easel": FORMAT,
        "version": VERSION,
        "request": plan.batch_request(batch).to_json(),
        "picture": index,
        "checkpoint": {"title": checkpoint.title, "sha256": checkpoint.sha256},
        "vae": None if vae is None else {"name": vae.name, "sha256": vae.sha256},
        "environment": dict(environment),
    }
    return json.dumps(block, ensure_ascii=False, separators=(",", ":"))


def write_infotext(picture: PicturePlan, fields: Mapping[str, object]) -> str:
    return build_infotext(picture.prompt, picture.negative, fields)
