"""A picture's papers: the A1111 infotext it carries and the JSON request beside it. `pasted` reads them back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import get_args

from modules.core.settings import Settings, setting_registry
from modules.core.version import VERSION
from modules.imaging.infotext import build_infotext
from modules.processing import options
from modules.processing.networks.embeddings import ADD_HASHES
from modules.processing.networks.hashes import ADD_HASHES as ADD_LORA_HASHES
from modules.processing.networks.hashes import FIELD as LORA_HASHES
from modules.processing.networks.hashes import hashes_field, networks_of
from modules.processing.plan import PicturePlan, Plan
from modules.processing.requests import Fill, Generate, InitImage, MaskedImage, Noise, ResizeMode, SoftInpainting
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


def infotext_fields(
    plan: Plan,
    picture: PicturePlan,
    settings: Settings,
    source_hash: str | None = None,
    facts: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """The fields of one picture in A1111's order. None values are left out by the writer.

    source_hash: MD5 of the picture it was made from, where that is kept under this name.
    facts: what only the run could tell, such as "VAE tiling".
    """
    shape, noise, model = plan.request.shape, plan.noise, plan.model
    varied = noise.strength > 0
    height, width = noise.resize_from
    vae, source, variant = model.vae, plan.source, model.checkpoint.variant
    fields: dict[str, object] = {
        "Steps": plan.sampling.steps,
        "Sampler": plan.sampling.sampler,
        "Schedule type": plan.sampling.schedule,
        "CFG scale": _short(plan.guidance.cfg_scale),
        "Image CFG scale": _short(source.image_cfg_scale) if source and variant == "pix2pix" else None,
        "Seed": picture.seed,
        "Size": f"{shape.width}x{shape.height}",
        "Model hash": model.checkpoint.short_hash if settings[options.ADD_HASH] else None,
        "Model": _plain(model.checkpoint.stem) if settings[options.ADD_NAME] else None,
        "VAE hash": vae.short_hash if vae and settings[options.ADD_VAE_HASH] else None,
        "VAE": _plain(vae.path.name) if vae and settings[options.ADD_VAE_NAME] else None,
        "Variation seed": picture.variation if varied else None,
        "Variation seed strength": _short(noise.strength) if varied else None,
        "Seed resize from": f"{width}x{height}" if width and height else None,
        "Denoising strength": _short(denoising_strength(plan)),
        "Conditional mask weight": _short(source.condition_weight) if source and variant == "inpaint" else None,
        "Clip skip": plan.text.clip_skip if plan.text.clip_skip > 1 else None,
        "ENSD": plan.noise.ensd or None,
        "Init image hash": source_hash,
        "RNG": noise.source if noise.source != "GPU" else None,
        "Tiling": True if model.tiling == "both" else model.tiling,
    }
    fields.update(extra_fields(plan, picture))
    if not settings[ADD_HASHES]:
        fields.pop("TI hashes", None)
    if not settings[ADD_LORA_HASHES]:
        fields.pop(LORA_HASHES, None)
    fields.update(facts or {})
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
_OWN_PLACE = {"Clip skip", "ENSD", "RNG", "Tiling", "Conditional mask weight"}


def denoising_strength(plan: Plan) -> float | None:
    """Of the picture that was started from, or of the second pass; None for text alone."""
    last = plan.hires.second.source if plan.hires else plan.source
    return None if last is None else last.strength


def extra_fields(plan: Plan, picture: PicturePlan) -> dict[str, object]:
    """What A1111 calls extra_generation_params: how the picture was made beyond the fields that each one has."""
    model = plan.model
    fields = {**_source_fields(plan), **_hires_fields(plan), **_window_fields(plan), **_setting_fields(plan, picture)}
    refiner = plan.hires.second.model.refiner if plan.hires and model.refiner is None else model.refiner
    if refiner is not None:
        fields["Refiner"] = _plain(refiner.title)
        fields["Refiner switch at"] = _short(model.switch_at)
    fields["TI hashes"] = _embedding_hashes(plan)
    fields[LORA_HASHES] = hashes_field(plan)
    return {name: value for name, value in fields.items() if value is not None}


def _source_fields(plan: Plan) -> dict[str, object]:
    """A mask's fields; the pictures themselves have no place in a text."""
    match plan.request.source:
        case Noise():
            return {}
        case InitImage() as init:
            return {"Resize mode": _resize(init)}
        case MaskedImage(init=init, mask=mask) as source:
            pass
    even = mask.blur_x == mask.blur_y
    soft = source.soft
    return {
        "Resize mode": _resize(init),
        "Mask mode": "Inpaint not masked" if mask.invert else None,
        "Mask blur": _short(mask.blur_x) if even else None,  # also 0: it tells that there was a mask
        "Mask blur x": None if even else _short(mask.blur_x),
        "Mask blur y": None if even else _short(mask.blur_y),
        "Inpaint area": None if source.padding is None else "Only masked",
        "Masked area padding": source.padding,
        "Masked content": None if source.fill == "original" else FILLS[source.fill],
        "Soft inpainting enabled": True if soft else None,
        **({field: _short(getattr(soft, name)) for name, field in SOFT.items()} if soft else {}),
    }


def _embedding_hashes(plan: Plan) -> str | None:
    """Of the embeddings of both passes: "name: hash, name: hash"."""
    used = (*plan.text.embeddings, *(plan.hires.second.text.embeddings if plan.hires else ()))
    return ", ".join(dict.fromkeys(f"{one.name}: {one.hash}" for one in used if one.hash)) or None


def _resize(init: InitImage) -> str | None:
    return None if init.resize == "just" else RESIZES[init.resize]


def _hires_fields(plan: Plan) -> dict[str, object]:
    """The second pass: what differs from the first."""
    hires = plan.request.after.hires
    if hires is None or plan.hires is None:
        return {}
    first, second = plan, plan.hires.second
    other = second.model.checkpoint if second.model.checkpoint != first.model.checkpoint else None
    sampler, schedule = second.sampling.sampler, second.sampling.schedule
    sized = hires.width or hires.height
    return {
        "Hires checkpoint": _plain(other.title) if other else None,
        "Hires sampler": sampler if sampler != first.sampling.sampler else None,
        "Hires schedule type": schedule if schedule != first.sampling.schedule else None,
        "Hires prompt": hires.second.positive or None,
        "Hires negative prompt": hires.second.negative or None,
        "Hires CFG Scale": _short(hires.second.cfg_scale),
        "Hires upscale": None if sized else _short(hires.scale),
        "Hires resize": f"{hires.width}x{hires.height}" if sized else None,
        "Hires steps": hires.steps or None,
        "Hires upscaler": hires.upscaler,
    }


def _window_fields(plan: Plan) -> dict[str, object]:
    """Our own: A1111 has no windows."""
    windows = plan.windows
    if windows is None:
        return {}
    regions = [dataclasses.asdict(one) for one in windows.regions]
    return {
        "Size method": "windows",
        "Window size": windows.size,
        "Window overlap": windows.overlap,
        "Window weights": windows.weights,
        "Window regions": json.dumps(regions, ensure_ascii=False) if regions else None,
    }


def _setting_fields(plan: Plan, picture: PicturePlan) -> dict[str, object]:
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
        if field in MATTERS and not MATTERS[field](plan, picture):
            continue
        if value != setting.default:
            fields[field] = _short(value)
    return fields


MATTERS: Mapping[str, Callable[[Plan, PicturePlan], bool]] = {
    "Emphasis": lambda plan, picture: any(mark in picture.text + picture.negative for mark in "(["),
    "Refiner switch by sampling steps": lambda plan, picture: plan.request.model.refiner is not None,
    "Hires refiner": lambda plan, picture: plan.hires is not None and plan.request.model.refiner is not None,
    "Noise multiplier": lambda plan, picture: plan.source is not None,
    "Extra noise": lambda plan, picture: plan.source is not None or plan.hires is not None,
    "Odd sizes": lambda plan, picture: _odd(plan) or (plan.hires is not None and _odd(plan.hires.second)),
}  # settings that only some pictures feel


def _odd(plan: Plan) -> bool:
    return plan.canvas != (plan.request.shape.width, plan.request.shape.height)


def _short(value: object) -> object:
    """7.0 as 7, everything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _plain(name: str) -> str:
    return name.replace(",", "").replace(":", "")


def picture_request(plan: Plan, request: Generate, index: int, environment: Mapping[str, object]) -> str:
    """The JSON block: the request of the whole batch, which place in it this picture has, and what made it."""
    checkpoint, vae = plan.model.checkpoint, plan.model.vae
    block = {
        "easel": FORMAT,
        "version": VERSION,
        "request": request.to_json(),
        "picture": index,
        "checkpoint": {"title": checkpoint.title, "sha256": checkpoint.sha256},
        "vae": None if vae is None else {"name": vae.name, "sha256": vae.sha256},
        "networks": [{"name": one.file.name, "sha256": one.file.digest} for one in networks_of(plan)],
        "environment": dict(environment),
    }
    return json.dumps(block, ensure_ascii=False, separators=(",", ":"))


def write_infotext(picture: PicturePlan, fields: Mapping[str, object]) -> str:
    return build_infotext(picture.prompt, picture.negative, fields)
