"""An infotext read back into a request, and into the fields of A1111's API."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from modules.core.errors import UserError
from modules.core.settings import Setting, setting_registry
from modules.imaging.infotext import parse_infotext
from modules.processing.networks.files import NetworkFiles
from modules.processing.networks.hashes import follow_hashes
from modules.processing.papers import FILLS, RESIZES, SOFT
from modules.processing.requests import (
    After,
    Generate,
    Hires,
    HiresPass,
    InitImage,
    Mask,
    MaskedImage,
    ModelChoice,
    Noise,
    Prompt,
    Refiner,
    Sampling,
    Seed,
    Shape,
    SoftInpainting,
    Source,
    Tiling,
    Windows,
    read_dataclass,
)
from modules.processing.samplers import options as sampler_options
from modules.processing.schedules import AUTOMATIC, schedules, split_combined_name
from modules.processing.scripts.script import pasted_script

KNOWN = (
    "Size",
    "Seed resize from",
    "Lora hashes",
    "TI hashes",
    "VAE hash",
    "VAE tiling",
    "Version",
)  # told by other fields, or nothing to follow
OF_HIRES = ("Hires upscale", "Hires resize", "Hires upscaler", "First pass size")
OF_MASKS = ("Mask blur", "Mask blur x", "Mask mode", "Masked content", "Inpaint area", "Soft inpainting enabled")
SOFT_TITLE = "Soft Inpainting"  # A1111's always-on script
SAME = "Use same "  # sampler, checkpoint, scheduler: of the first pass
T = TypeVar("T", bound=str)


@dataclass(frozen=True, kw_only=True)
class Pasted:
    """A request read from an infotext. `values`: what it said, by the names of A1111's API and in its terms.

    `unknown`: fields not understood. `notes`: what a person should know, such as that a source picture is missing.
    """

    request: Generate
    values: Mapping[str, Any]
    unknown: Mapping[str, str]
    notes: tuple[str, ...] = ()


def request_from_infotext(text: str, networks: NetworkFiles | None = None) -> Pasted:
    """Read an infotext into a request. Settings found there become overrides; the rest is told in `unknown`.

    networks: files whose names the prompts get, where their hashes are the infotext's.
    """
    found = parse_infotext(text)
    return request_from_fields(found if networks is None else follow_hashes(found, networks))


def request_from_fields(found: Mapping[str, str]) -> Pasted:
    """`request_from_infotext`, of a parsed infotext or some of its fields."""
    take = _Taker(dict(found))
    prompt = Prompt(positive=take.text("Prompt", "prompt"), negative=take.text("Negative prompt", "negative_prompt"))
    shape = Shape(width=take.number("Size-1", "width", 512), height=take.number("Size-2", "height", 512))
    seed = Seed(
        seed=take.number("Seed", "seed", -1),
        variation=take.number("Variation seed", "subseed", -1),
        variation_strength=take.decimal("Variation seed strength", "subseed_strength", 0.0),
        resize_from_width=take.number("Seed resize from-1", "seed_resize_from_w", 0),
        resize_from_height=take.number("Seed resize from-2", "seed_resize_from_h", 0),
    )
    sampling = _sampling(take)
    model = _model(take)
    shape, hires = _hires(take, _windows(take, shape))
    source, notes = (Noise(), ()) if hires else _source(take)
    for field in KNOWN:
        take.fields.pop(field, None)
    script = pasted_script(take.fields)
    if script is not None:
        take.values |= {"script_name": script.name, "script_args": dict(script.arguments)}
    overrides = take_settings(take.fields)
    if "RNG" not in found and "steps" in take.values:
        overrides[sampler_options.NOISE_SOURCE.key] = "GPU"
    request = Generate(
        prompt=prompt,
        shape=shape,
        seed=seed,
        sampling=sampling,
        model=model,
        source=source,
        after=After(hires=hires, script=script),
        overrides=overrides,
    )
    return Pasted(request=request, values=take.values, unknown={**take.fields, **take.unknown}, notes=notes)


def _sampling(take: _Taker) -> Sampling:
    told = not {"Sampler", "Schedule type"}.isdisjoint(take.fields)
    name, schedule = take.sampler("Sampler", "sampler_name", "Schedule type", "scheduler")
    if told:
        take.values.setdefault("scheduler", AUTOMATIC)
    eta, ddim = take.maybe("Eta", "eta"), take.maybe("Eta DDIM", "eta")
    return Sampling(
        sampler=name,
        schedule=schedule or AUTOMATIC,
        steps=take.number("Steps", "steps", 20),
        cfg_scale=take.decimal("CFG scale", "cfg_scale", 7.0),
        eta=ddim if eta is None else eta,
    )


def _model(take: _Taker) -> ModelChoice:
    title, short_hash = take.text("Model"), take.text("Model hash")
    refiner = take.text("Refiner", "refiner_checkpoint")
    switch_at = take.decimal("Refiner switch at", "refiner_switch_at", 0.8)
    return ModelChoice(
        checkpoint=f"{title} [{short_hash}]" if title and short_hash else title or short_hash or None,
        vae=take.text("VAE") or None,
        clip_skip=take.number("Clip skip", "", 0) or None,
        tiling=_tiling(take),
        refiner=Refiner(checkpoint=refiner, switch_at=switch_at) if refiner else None,
    )


def _windows(take: _Taker, shape: Shape) -> Shape:
    """The windows that a large picture was painted in: our own fields."""
    if take.fields.get("Size method") != "windows":
        return shape
    told: dict[str, Any] = {
        "size": take.number("Window size", "", 0),
        "overlap": take.number("Window overlap", "", 0),
        "weights": take.text("Window weights") or "mixture",
    }
    regions = take.fields.pop("Window regions", None)
    try:
        windows = read_dataclass(Windows, told | {"regions": json.loads(regions or "[]")}, "windows.")
    except (ValueError, UserError):
        take.unknown["Window regions"] = regions or ""
        windows = Windows(size=told["size"], overlap=told["overlap"])
    take.values |= {"easel_method": take.text("Size method"), "easel_windows": dataclasses.asdict(windows)}
    return dataclasses.replace(shape, method="windows", windows=windows)


def _tiling(take: _Taker) -> Tiling | None:
    """A1111 knows True alone: both axes."""
    if take.fields.get("Tiling") in ("x", "y"):
        return "x" if take.text("Tiling", "tiling") == "x" else "y"
    return True if take.flag("Tiling", "tiling") else None


def _hires(take: _Taker, shape: Shape) -> tuple[Shape, Hires | None]:
    """The second pass, and the size of the first one, which old papers tell under another name."""
    if not any(field in take.fields for field in OF_HIRES):
        return shape, None
    take.values["enable_hr"] = True
    sampler, schedule = take.sampler("Hires sampler", "hr_sampler_name", "Hires schedule type", "hr_scheduler")
    hires = Hires(
        upscaler=take.text("Hires upscaler", "hr_upscaler") or "Latent",
        scale=take.decimal("Hires upscale", "hr_scale", 2.0),
        width=take.number("Hires resize-1", "hr_resize_x", 0),
        height=take.number("Hires resize-2", "hr_resize_y", 0),
        steps=take.number("Hires steps", "hr_second_pass_steps", 0),
        strength=take.decimal("Denoising strength", "denoising_strength", 0.7),
        second=HiresPass(
            positive=take.text("Hires prompt", "hr_prompt"),
            negative=take.text("Hires negative prompt", "hr_negative_prompt"),
            sampler=sampler,
            schedule=schedule,
            checkpoint=take.other("Hires checkpoint", "hr_checkpoint_name"),
            cfg_scale=take.maybe("Hires CFG Scale", "hr_cfg"),
        ),
    )
    take.fields.pop("Hires resize", None)
    if take.fields.pop("First pass size", None) is None:
        return shape, hires
    width, height = take.number("First pass size-1", "", 0), take.number("First pass size-2", "", 0)
    if not width or not height:
        if shape.width < 1 or shape.height < 1:
            take.unknown["First pass size"] = f"{width}x{height}"
            return shape, hires
        width, height = old_first_pass(shape.width, shape.height)
    take.values |= {"width": width, "height": height, "hr_resize_x": shape.width, "hr_resize_y": shape.height}
    hires = dataclasses.replace(hires, width=shape.width, height=shape.height)
    return dataclasses.replace(shape, width=width, height=height), hires


def old_first_pass(width: int, height: int) -> tuple[int, int]:
    """The first pass that the hires fix of 2022 chose for a final size: the area of 512x512 in steps of 64 pixels."""
    scale = math.sqrt(512 * 512 / (width * height))
    return math.ceil(scale * width / 64) * 64, math.ceil(scale * height / 64) * 64


def _source(take: _Taker) -> tuple[Source, tuple[str, ...]]:
    """What the picture was made from, without the pictures themselves: those are not in a text."""
    masked = any(field in take.fields for field in OF_MASKS)
    if not masked and "Denoising strength" not in take.fields:
        return Noise(), ()
    init = InitImage(
        strength=take.decimal("Denoising strength", "denoising_strength", 0.75),
        resize=take.choice("Resize mode", "resize_mode", RESIZES),
        image_cfg_scale=take.maybe("Image CFG scale", "image_cfg_scale"),
    )
    digest = take.text("Init image hash")
    named = f" (MD5 {digest})" if digest else ""
    if not masked:
        return init, (f"The picture that this one was made from{named} is not in the text.",)
    told = f"The picture that this one was made from{named} and its mask are not in the text."
    return _masked(take, init), (told,)


def _masked(take: _Taker, init: InitImage) -> MaskedImage:
    blur = take.decimal("Mask blur", "mask_blur", 0.0)
    invert = take.text("Mask mode") == "Inpaint not masked"
    only_masked = take.text("Inpaint area") == "Only masked"
    padding = take.number("Masked area padding", "inpaint_full_res_padding", 32)
    take.values |= {"inpainting_mask_invert": int(invert), "inpaint_full_res": only_masked}
    return MaskedImage(
        init=init,
        mask=Mask(
            image="",
            blur_x=take.decimal("Mask blur x", "mask_blur_x", blur),
            blur_y=take.decimal("Mask blur y", "mask_blur_y", blur),
            invert=invert,
        ),
        fill=take.choice("Masked content", "inpainting_fill", FILLS, default="original"),
        padding=padding if only_masked else None,
        soft=_soft(take),
    )


def _soft(take: _Taker) -> SoftInpainting | None:
    if not take.flag("Soft inpainting enabled"):
        return None
    soft = SoftInpainting(
        **{name: take.decimal(field, "", getattr(SoftInpainting, name)) for name, field in SOFT.items()}
    )
    take.values["alwayson_scripts"] = {SOFT_TITLE: {"args": [True, *dataclasses.astuple(soft)]}}
    return soft


class _Taker:
    """Takes fields out of a parsed infotext and remembers what was there, by the names of A1111's API.

    A field whose name there is "" is not remembered.
    """

    def __init__(self, fields: dict[str, str]) -> None:
        self.fields = fields
        self.values: dict[str, Any] = {}
        self.unknown: dict[str, str] = {}

    def text(self, field: str, name: str = "") -> str:
        value = self.fields.pop(field, None)
        if value is not None:
            self._remember(name, value)
        return value or ""

    def other(self, field: str, name: str) -> str | None:
        """A name, None where it is absent or says that it is the same as elsewhere."""
        if self.fields.get(field, "").startswith(SAME):
            del self.fields[field]
        return self.text(field, name) or None

    def flag(self, field: str, name: str = "") -> bool:
        given = self.fields.pop(field, "") == "True"
        if given:
            self._remember(name, True)
        return given

    def number(self, field: str, name: str, default: int) -> int:
        value = self.maybe(field, name, whole=True)
        return default if value is None else int(value)

    def decimal(self, field: str, name: str, default: float) -> float:
        value = self.maybe(field, name)
        return default if value is None else value

    def maybe(self, field: str, name: str, *, whole: bool = False) -> float | None:
        text = self.fields.pop(field, None)
        value = None if text is None else _decimal(text)
        if text is not None and value is None:
            self.unknown[field] = text
        if value is not None:
            self._remember(name, int(value) if whole else value)
        return value

    def choice(self, field: str, name: str, words: Mapping[T, str], default: T | None = None) -> T:
        """The choice that the paper words so; its number is remembered. The first where no `default` is given."""
        chosen = next(iter(words)) if default is None else default
        text = self.fields.pop(field, None)
        ours = next((one for one, word in words.items() if word == text), None)
        if text is not None and ours is None:
            self.unknown[field] = text
        elif ours is not None:
            chosen = ours
            self._remember(name, list(words).index(ours))
        return chosen

    def sampler(self, field: str, name: str, schedule_field: str, schedule_name: str) -> tuple[str | None, str | None]:
        """Sampler and schedule, also of combined names ("DPM++ 2M Karras") from before the two were parted."""
        schedule, from_name = self.other(schedule_field, ""), AUTOMATIC
        if schedule and schedule.casefold() != AUTOMATIC.casefold() and schedule not in schedules:
            self.unknown[schedule_field], schedule = schedule, None
        sampler = self.other(field, "")
        if sampler:
            try:
                sampler, from_name = split_combined_name(sampler)
            except UserError:
                self.unknown[field], sampler = sampler, None
        if schedule is None and from_name != AUTOMATIC:
            schedule = from_name
        for key, value in ((name, sampler), (schedule_name, schedule)):
            if value:
                self.values[key] = value
        return sampler, schedule

    def _remember(self, name: str, value: object) -> None:
        if name:
            self.values[name] = value


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
