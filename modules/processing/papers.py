"""A picture's papers: the A1111 infotext it carries, the JSON request beside it, and both read back into a request."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modules.core.errors import UserError
from modules.core.settings import Setting, Settings, setting_registry
from modules.core.version import VERSION
from modules.imaging.infotext import build_infotext, parse_infotext
from modules.processing import options
from modules.processing.requests import Generate, ModelChoice, Prompt, Refiner, Sampling, Seed, Shape
from modules.processing.resolve import PicturePlan, Plan
from modules.processing.samplers import knob_settings, samplers
from modules.processing.samplers import options as sampler_options
from modules.processing.schedules import schedules, split_combined_name

FORMAT = 1  # of the JSON block


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


@dataclass(frozen=True, kw_only=True)
class Pasted:
    """A request read from an infotext. `given`: dotted names of what it said; `unknown`: fields not understood."""

    request: Generate
    given: frozenset[str]
    unknown: Mapping[str, str]


def request_from_infotext(text: str) -> Pasted:
    """Read an infotext into a request. Settings found there become overrides; the rest is told in `unknown`."""
    return request_from_fields(parse_infotext(text))


def request_from_fields(found: Mapping[str, str]) -> Pasted:
    """`request_from_infotext`, of a parsed infotext or some of its fields."""
    fields = dict(found)
    take = _Taker(fields)
    prompt = Prompt(
        positive=take.text("Prompt", "prompt.positive"), negative=take.text("Negative prompt", "prompt.negative")
    )
    shape = Shape(width=take.number("Size-1", "shape.width", 512), height=take.number("Size-2", "shape.height", 512))
    fields.pop("Size", None)
    seed = Seed(
        seed=take.number("Seed", "seed.seed", -1),
        variation=take.number("Variation seed", "seed.variation", -1),
        variation_strength=take.decimal("Variation seed strength", "seed.variation_strength", 0.0),
        resize_from_width=take.number("Seed resize from-1", "seed.resize_from_width", 0),
        resize_from_height=take.number("Seed resize from-2", "seed.resize_from_height", 0),
    )
    fields.pop("Seed resize from", None)
    sampling = Sampling(
        sampler=None,
        steps=take.number("Steps", "sampling.steps", 20),
        cfg_scale=take.decimal("CFG scale", "sampling.cfg_scale", 7.0),
    )
    sampling = _sampler(take, sampling)
    eta = fields.pop("Eta", None) or fields.pop("Eta DDIM", None)
    if eta is not None:
        sampling = dataclasses.replace(sampling, eta=_decimal(eta))
        take.given.add("sampling.eta")
    title, short_hash = take.text("Model", "model.checkpoint"), fields.pop("Model hash", "")
    refiner = take.text("Refiner", "model.refiner")
    switch_at = take.decimal("Refiner switch at", "model.refiner", 0.8)
    model = ModelChoice(
        checkpoint=f"{title} [{short_hash}]" if title and short_hash else title or short_hash or None,
        vae=take.text("VAE", "model.vae") or None,
        clip_skip=take.number("Clip skip", "model.clip_skip", 0) or None,
        tiling=True if take.text("Tiling", "model.tiling") == "True" else None,
        refiner=Refiner(checkpoint=refiner, switch_at=switch_at) if refiner else None,
    )
    for known in ("VAE hash", "Version", "Size"):
        fields.pop(known, None)
    overrides = take_settings(fields)
    if "RNG" not in found and "sampling.steps" in take.given:
        overrides[sampler_options.NOISE_SOURCE.key] = "GPU"
    request = Generate(prompt=prompt, shape=shape, seed=seed, sampling=sampling, model=model, overrides=overrides)
    return Pasted(request=request, given=frozenset(take.given), unknown={**fields, **take.unknown})


def _sampler(take: _Taker, sampling: Sampling) -> Sampling:
    """Sampler and schedule, also of the combined names ("DPM++ 2M Karras") from before the two were parted."""
    name, schedule = take.text("Sampler", "sampling.sampler"), take.text("Schedule type", "sampling.schedule")
    if schedule and schedule.casefold() != "automatic" and schedule not in schedules:
        take.unknown["Schedule type"], schedule = schedule, ""
    from_name = "Automatic"
    if name:
        try:
            name, from_name = split_combined_name(name)
        except UserError:
            take.unknown["Sampler"], name = name, ""
        else:
            take.given.add("sampling.schedule")
    return dataclasses.replace(sampling, sampler=name or None, schedule=schedule or from_name)


class _Taker:
    """Takes fields out of a parsed infotext and remembers what was there."""

    def __init__(self, fields: dict[str, str]) -> None:
        self.fields = fields
        self.given: set[str] = set()
        self.unknown: dict[str, str] = {}

    def text(self, field: str, name: str) -> str:
        value = self.fields.pop(field, None)
        if value is not None:
            self.given.add(name)
        return value or ""

    def number(self, field: str, name: str, default: int) -> int:
        return int(self.decimal(field, name, default))

    def decimal(self, field: str, name: str, default: float) -> float:
        value = self.fields.get(field)
        number = None if value is None else _decimal(value)
        if value is None:
            return default
        self.fields.pop(field)
        if number is None:
            self.unknown[field] = value
            return default
        self.given.add(name)
        return number


def _decimal(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < 1e18 else None  # also refuses nan and inf


def silent_settings() -> dict[str, Any]:
    """What a whole paper means by not naming a setting, by key: A1111 writes those that are not at their default."""
    shaping = (one for one in setting_registry if one.infotext and one.scope == "user")
    return {**{one.key: one.default for one in shaping}, sampler_options.NOISE_SOURCE.key: "GPU"}


def take_settings(fields: dict[str, str]) -> dict[str, Any]:
    """Fields that are settings, by key; they are taken out of `fields`."""
    found: dict[str, Any] = {}
    by_field = {one.infotext: one for one in setting_registry if one.infotext}
    for field in list(fields):
        setting = by_field.get(field)
        value = None if setting is None else _setting_value(setting, fields[field])
        if setting is not None and value is not None:
            found[setting.key] = value
            fields.pop(field)
    return found


def _setting_value(setting: Setting[Any], text: str) -> object | None:
    kind = type(setting.default)
    value: object | None = text
    if kind is bool:
        value = text.casefold() in {"true", "1", "on"}
    elif kind in (int, float):
        value = _decimal(text)
    try:
        return None if value is None else setting.check(value)
    except UserError:
        return None
