"""Infotext -> values of the form; a setting that has no control becomes a line of the override box."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modules.core.settings import Settings, setting_registry
from modules.processing.pasted import request_from_fields, silent_settings, take_settings

CONTROLS = {"negative_prompt": "negative", "sampler_name": "sampler", "scheduler": "schedule"}  # A1111's name: ours
NAMED = {
    *("prompt", "negative_prompt", "width", "height", "seed", "subseed", "subseed_strength", "seed_resize_from_w"),
    *("seed_resize_from_h", "sampler_name", "scheduler", "steps", "cfg_scale"),
}  # what has a control
# restored when a whole picture is pasted, so that leftovers of the last one do not change this one
RESET: Mapping[str, Any] = {
    "negative": "",
    "styles": [],
    "subseed": -1,
    "subseed_strength": 0.0,
    "seed_resize_from_w": 0,
    "seed_resize_from_h": 0,
    "refiner": "None",
}
OWN_CONTROL = {"Model hash", "Model", "VAE hash", "VAE"}  # chosen above the form, for every picture


def paste_values(found: Mapping[str, str], settings: Settings, *, whole: bool = True) -> dict[str, Any]:
    """{control: value} from a parsed infotext. `whole`: a complete paper, not one chip of it."""
    pasted = request_from_fields(found)
    values = {CONTROLS.get(name, name): value for name, value in pasted.values.items() if name in NAMED}
    if not whole and "Schedule type" not in found and values.get("schedule") == "Automatic":
        del values["schedule"]  # the sampler's chip says nothing of it
    refiner = pasted.request.model.refiner
    if refiner is not None:
        values["refiner"] = refiner.checkpoint
        if whole or "Refiner switch at" in found:
            values["refiner_switch_at"] = refiner.switch_at
    if whole and "Steps" in found:
        values = {**RESET, **values, "overrides": override_lines(found, settings)}
    return values


def override_lines(fields: Mapping[str, str], settings: Settings) -> list[str]:
    """`Clip skip: 2` for every setting that the paper means otherwise than it is set now, named there or not."""
    meant = {**silent_settings(), **take_settings(dict(fields))}
    return [
        f"{setting.infotext}: {meant[setting.key]}"
        for setting in setting_registry
        if setting.key in meant and setting.infotext not in OWN_CONTROL and meant[setting.key] != settings[setting]
    ]


def read_overrides(lines: list[str]) -> dict[str, Any]:
    """The settings that the lines of the override box name; a line that no setting can take is left out."""
    found: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.partition(":")
        found |= take_settings({name.strip(): value.strip()})
    return found
