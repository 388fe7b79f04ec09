"""Fooocus: its own scheme (JSON as "parameters"), and its way of writing A1111's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from modules.imaging.foreign.foreign import (
    Foreign,
    left_over,
    lora,
    plain,
    read_object,
    readers,
    stem,
    with_networks,
    words,
)
from modules.imaging.foreign.names import sampler_label, schedule_label
from modules.imaging.infotext import parse_infotext

_SIZE = re.compile(r"\D*(\d+)\D+(\d+)\D*")
_WHOLE = {
    *("prompt", "negative_prompt", "steps", "resolution", "guidance_scale", "base_model", "base_model_hash"),
    *("refiner_model", "refiner_switch", "clip_skip", "sampler", "scheduler", "vae", "seed", "loras"),
    *("metadata_scheme", "version", "created_by", "full_prompt", "full_negative_prompt"),
}
_TAKEN = ("Prompt", "Negative prompt", "Scheduler", "Lora hashes", "Version", "User", "VAE")
_OWN = (
    "Sharpness",
    "ADM Guidance",
    "Performance",
    "Styles",
    "Raw prompt",
    "Raw negative prompt",
    "Fooocus V2 Expansion",
)


@readers.register("Fooocus")
def fooocus(items: Mapping[str, str], size: tuple[int, int]) -> Foreign | None:
    text = items.get("parameters", "")
    values = read_object(text)
    if values is not None and "base_model" in values and ("metadata_scheme" in values or "fooocus_scheme" in items):
        return _own_scheme(values, size)
    fields = parse_infotext(text)
    if items.get("fooocus_scheme") == "a1111" or fields.get("Version", "").startswith("Fooocus"):
        return _a1111_scheme(fields)
    return None


def _own_scheme(values: dict[str, Any], size: tuple[int, int]) -> Foreign:
    across = _SIZE.fullmatch(str(values.get("resolution", "")))
    refiner = stem(values.get("refiner_model"))
    refiner = None if refiner in (None, "None") else refiner
    fields = {
        "Steps": plain(values.get("steps")),
        "Sampler": sampler_label(words(values.get("sampler"))),
        "Schedule type": schedule_label(words(values.get("scheduler"))) or None,
        "CFG scale": plain(values.get("guidance_scale")),
        "Seed": plain(values.get("seed")),
        "Size": "x".join(across.groups() if across else map(str, size)),
        "Model hash": plain(values.get("base_model_hash")),
        "Model": stem(values.get("base_model")),
        "VAE": _vae(values.get("vae")),
        "Clip skip": plain(values.get("clip_skip")),
        "RNG": "CPU",
        "Refiner": refiner,
        "Refiner switch at": plain(values.get("refiner_switch")) if refiner else None,
    }
    networks = [lora(*one[:2]) for one in _loras(values)]
    combined = {name for name in values if name.startswith("lora_combined_")}
    return Foreign(
        program="Fooocus",
        prompt=with_networks(words(values.get("prompt")), networks),
        negative=words(values.get("negative_prompt")),
        fields=fields,
        unknown=left_over(values, _WHOLE | combined),
    )


def _loras(values: dict[str, Any]) -> Iterator[tuple[object, object]]:
    """[[name, weight, hash]], or "name : weight" one by one."""
    listed = values.get("loras")
    if isinstance(listed, list) and listed:
        yield from ((one[0], one[1]) for one in listed if isinstance(one, list) and len(one) >= 2)
        return
    for name, value in values.items():
        if name.startswith("lora_combined_") and isinstance(value, str) and " : " in value:
            file, _, weight = value.rpartition(" : ")
            yield file, weight


def _a1111_scheme(fields: dict[str, str]) -> Foreign:
    networks = [
        lora(parts[0], parts[2])
        for one in fields.get("Lora hashes", "").split(", ")
        if len(parts := [part.strip() for part in one.split(":")]) == 3
    ]
    kept: dict[str, object] = {
        name: value
        for name, value in fields.items()
        if name not in (*_TAKEN, *_OWN) and not name.endswith(("-1", "-2"))
    }
    schedule = schedule_label(fields.get("Scheduler", ""))
    sampler = fields.get("Sampler", "")
    kept["Sampler"] = sampler_label(sampler)
    if schedule and not sampler.casefold().endswith(schedule.casefold()):
        kept["Schedule type"] = schedule
    kept["VAE"] = _vae(fields.get("VAE"))
    return Foreign(
        program="Fooocus",
        prompt=with_networks(fields["Prompt"], networks),
        negative=fields["Negative prompt"],
        fields={**kept, "RNG": "CPU"},
        unknown=left_over({name: fields[name] for name in _OWN if name in fields}, ()),
    )


def _vae(name: object) -> str | None:
    """The file's name; None where the model's own is meant."""
    return None if words(name).startswith("Default") else words(name) or None
