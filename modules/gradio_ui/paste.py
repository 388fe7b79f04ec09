"""Infotext -> values of the form, by A1111's names; what has no control becomes an override of a setting."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from modules.core.errors import EaselError
from modules.core.settings import setting_registry
from modules.processing.schedules import split_combined_name

Numbers = {
    "Steps": ("steps", int),
    "CFG scale": ("cfg_scale", float),
    "Seed": ("seed", int),
    "Variation seed": ("subseed", int),
    "Variation seed strength": ("subseed_strength", float),
    "Size-1": ("width", int),
    "Size-2": ("height", int),
    "Seed resize from-1": ("seed_resize_from_w", int),
    "Seed resize from-2": ("seed_resize_from_h", int),
    "Refiner switch at": ("refiner_switch_at", float),
}
PAIRS = {"Size": "Size", "Seed resize from": "Seed resize from"}
# restored when a whole picture is pasted, so that leftovers of the last one do not change this one
RESET = {"subseed": -1, "subseed_strength": 0.0, "seed_resize_from_w": 0, "seed_resize_from_h": 0, "refiner": "None"}
IGNORED = {"Model hash", "Model", "Version", "VAE hash", "VAE", "Batch size", "Batch pos"}


def paste_values(found: Mapping[str, str], *, whole: bool = True) -> dict[str, Any]:
    """{control: value} from a parsed infotext. `whole`: a complete paper, not one chip of it."""
    fields = dict(found)
    for name in PAIRS:
        pair = re.fullmatch(r"(\d+)x(\d+)", fields.pop(name, "") or "")
        if pair:
            fields[f"{name}-1"], fields[f"{name}-2"] = pair.groups()
    values: dict[str, Any] = {}
    if "Prompt" in fields:
        values["prompt"] = fields["Prompt"]
    if "Negative prompt" in fields or (whole and "Prompt" in fields):
        values["negative"] = fields.get("Negative prompt", "")
    for name, (control, kind) in Numbers.items():
        try:
            if name in fields:
                values[control] = kind(fields[name])
        except ValueError:
            continue
    if "Sampler" in fields:
        sampler, schedule = split_combined_name(fields["Sampler"])
        values["sampler"] = sampler
        if schedule:
            values["schedule"] = schedule
    if "Schedule type" in fields:
        values["schedule"] = fields["Schedule type"]
    elif whole and "schedule" not in values and "Sampler" in fields:
        values["schedule"] = "Automatic"
    if "Refiner" in fields:
        values["refiner"] = fields["Refiner"]
    if whole and "Steps" in fields:
        values = {**RESET, **values}
        values["overrides"] = override_lines(fields)
        values["styles"] = []
    return values


def override_lines(fields: Mapping[str, str]) -> list[str]:
    """`Clip skip: 2` for every setting that the infotext names with another value than its default."""
    lines = []
    for setting in setting_registry:
        if setting.infotext and setting.infotext in fields and setting.infotext not in IGNORED:
            line = f"{setting.infotext}: {fields[setting.infotext]}"
            if read_overrides([line]) != {setting.key: setting.default}:
                lines.append(line)
    return lines


def read_overrides(lines: list[str]) -> dict[str, Any]:
    """The settings that the lines of the override box name; a line that no setting can take is left out."""
    by_name = {one.infotext: one for one in setting_registry if one.infotext}
    found: dict[str, Any] = {}
    for line in lines:
        name, _, raw = line.partition(":")
        setting = by_name.get(name.strip())
        if setting is None:
            continue
        raw = raw.strip()
        try:
            found[setting.key] = setting.check(_as(type(setting.default), raw))
        except (EaselError, ValueError):
            continue
    return found


def _as(kind: type, raw: str) -> object:
    if kind is bool:
        return raw.casefold() in {"true", "1", "on"}
    if kind in (int, float):
        return kind(raw)
    return raw
