"""Infotext -> values of the form; a setting that has no control becomes a line of the override box."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from modules.core.settings import Settings, setting_registry
from modules.gradio_ui.regions_form import regions_text
from modules.gradio_ui.script_box import script_values
from modules.processing.pasted import Pasted, request_from_fields, silent_settings, take_settings
from modules.processing.requests import MaskedImage, Noise

CONTROLS = {  # A1111's name: ours
    **{"negative_prompt": "negative", "sampler_name": "sampler", "scheduler": "schedule"},
    **{"enable_hr": "hires", "hr_second_pass_steps": "hr_steps", "hr_checkpoint_name": "hr_checkpoint"},
    **{"hr_sampler_name": "hr_sampler", "hr_scheduler": "hr_schedule", "hr_negative_prompt": "hr_negative"},
}
NAMED = {
    *("prompt", "negative_prompt", "width", "height", "seed", "subseed", "subseed_strength", "seed_resize_from_w"),
    *("seed_resize_from_h", "sampler_name", "scheduler", "steps", "cfg_scale", "image_cfg_scale"),
    *("enable_hr", "hr_upscaler", "hr_second_pass_steps", "hr_scale", "hr_resize_x", "hr_resize_y"),
    *("hr_checkpoint_name", "hr_sampler_name", "hr_scheduler", "hr_prompt", "hr_negative_prompt"),
}  # what has a control
SAME = {  # as the first pass
    "hr_checkpoint": "Use same checkpoint",
    "hr_sampler": "Use same sampler",
    "hr_schedule": "Use same scheduler",
}
# restored when a whole picture is pasted, so that leftovers of the last one do not change this one
RESET: Mapping[str, Any] = {
    "negative": "",
    "styles": [],
    "subseed": -1,
    "subseed_strength": 0.0,
    "seed_resize_from_w": 0,
    "seed_resize_from_h": 0,
    "refiner": "None",
    "hires": False,
    "hr_checkpoint": SAME["hr_checkpoint"],
    "hr_sampler": SAME["hr_sampler"],
    "hr_schedule": SAME["hr_schedule"],
    "hr_prompt": "",
    "hr_negative": "",
    "hr_steps": 0,
    "hr_resize_x": 0,
    "hr_resize_y": 0,
    "soft": False,
    "method": "auto",
    "window_size": 0,
    "window_overlap": 0,
    "regions": "",
    "tiling": "off",
}
OWN_CONTROL = {"Model hash", "Model", "VAE hash", "VAE", "Tiling"}  # chosen elsewhere than in the override box


def paste_values(found: Mapping[str, str], settings: Settings, *, whole: bool = True) -> dict[str, Any]:
    """{control: value} from a parsed infotext. `whole`: a complete paper, not one chip of it."""
    pasted = request_from_fields(found)
    values = {CONTROLS.get(name, name): value for name, value in pasted.values.items() if name in NAMED}
    values |= source_values(pasted) | size_values(pasted)
    if not whole and "Schedule type" not in found and values.get("schedule") == "Automatic":
        del values["schedule"]  # the sampler's chip says nothing of it
    refiner = pasted.request.model.refiner
    if refiner is not None:
        values["refiner"] = refiner.checkpoint
        if whole or "Refiner switch at" in found:
            values["refiner_switch_at"] = refiner.switch_at
    if (whole and "Steps" in found) or "Script" in found:
        values |= script_values(pasted.request.after.script)
    if whole and "Steps" in found:
        values = {**RESET, **values, "overrides": override_lines(found, settings)}
    return values


def size_values(pasted: Pasted) -> dict[str, Any]:
    """Windows and edges that meet, where the paper tells of them."""
    shape, tiling = pasted.request.shape, pasted.request.model.tiling
    values: dict[str, Any] = {"tiling": "both" if tiling is True else tiling} if tiling else {}
    if shape.method == "windows":
        windows = shape.windows
        values |= {"method": "windows", "window_size": windows.size, "window_overlap": windows.overlap}
        values["regions"] = regions_text([dataclasses.asdict(one) for one in windows.regions])
    return values


def source_values(pasted: Pasted) -> dict[str, Any]:
    """Of the picture that a paper's picture was made from: strength, size, mask; as far as the paper says it."""
    said, source = pasted.values, pasted.request.source
    values: dict[str, Any] = {}
    if "denoising_strength" in said:
        values = {"strength": said["denoising_strength"], "hr_strength": said["denoising_strength"]}
    if not isinstance(source, Noise) and "resize_mode" in said:
        values["resize"] = (source.init if isinstance(source, MaskedImage) else source).resize
    if not isinstance(source, MaskedImage):
        return values
    blurs = {"mask_blur", "mask_blur_x", "mask_blur_y"} & said.keys()
    across, down = source.mask.blur_x, source.mask.blur_y
    values |= {"mask_blur": across, "mask_blur_y": -1 if across == down else down} if blurs else {}
    values |= {"fill": source.fill} if "inpainting_fill" in said else {}
    values["mask_mode"] = "not masked" if source.mask.invert else "masked"
    values["area"] = "whole picture" if source.padding is None else "only masked"
    values |= {"padding": source.padding} if source.padding is not None else {}
    if source.soft is not None:
        values |= {"soft": True, **{f"soft_{name}": value for name, value in dataclasses.asdict(source.soft).items()}}
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
