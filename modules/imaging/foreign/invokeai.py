"""InvokeAI: JSON as "invokeai_metadata" since 3.0, as "sd-metadata" before, and a command line as "Dream" at first."""

from __future__ import annotations

import re
from collections.abc import Mapping
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
from modules.imaging.foreign.names import scheduler_labels

_NUMBER_AFTER = re.compile(r"\(([^()]*)\)(\d+(?:\.\d+)?)")
_MARKED = re.compile(r"(\([^()]*\)|[\w'-]*\w)(\+{1,6}|-{1,6})(?=[\s,.)]|$)")
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_KNOWN = {
    *("positive_prompt", "negative_prompt", "steps", "scheduler", "cfg_scale", "seed", "width", "height", "model"),
    *("loras", "clip_skip", "vae", "strength", "app_version", "generation_mode", "rand_device"),
    *("seamless_x", "seamless_y"),
}
_OLD = {"prompt", "steps", "sampler", "cfg_scale", "seed", "width", "height", "seamless", "strength", "type"}
_COMMAND = {"s": "Steps", "S": "Seed", "W": "width", "H": "height", "C": "CFG scale", "A": "sampler"}


@readers.register("InvokeAI")
def invokeai(items: Mapping[str, str], size: tuple[int, int]) -> Foreign | None:
    if (values := read_object(items.get("invokeai_metadata"))) is not None:
        return _new(values, size)
    if (values := read_object(items.get("sd-metadata"))) is not None and isinstance(values.get("image"), dict):
        return _old(values, size)
    if "Dream" in items:
        return _dream(items["Dream"], size)
    return None


def _new(values: dict[str, Any], size: tuple[int, int]) -> Foreign:
    sampler, schedule = scheduler_labels(words(values.get("scheduler")))
    clip_skip = values.get("clip_skip")
    both = bool(values.get("seamless_x")) and bool(values.get("seamless_y"))
    fields = {
        "Steps": plain(values.get("steps")),
        "Sampler": sampler,
        "Schedule type": schedule,
        "CFG scale": plain(values.get("cfg_scale")),
        "Seed": plain(values.get("seed")),
        "Size": f"{values.get('width', size[0])}x{values.get('height', size[1])}",
        "Model": _model(values.get("model")),
        "VAE": _model(values.get("vae")),
        "Denoising strength": plain(values.get("strength")),
        "Clip skip": clip_skip + 1 if isinstance(clip_skip, int) and clip_skip > 0 else None,  # layers left out there
        "RNG": "CPU" if values.get("rand_device", "cpu") == "cpu" else None,
        "Tiling": True if both else None,
    }
    loras = values.get("loras")
    networks = [
        lora(_model(one.get("model") or one.get("lora")), one.get("weight"))
        for one in (loras if isinstance(loras, list) else [])
        if isinstance(one, dict)
    ]
    silent = {"seamless_x", "seamless_y"} if both else set[str]()
    return Foreign(
        program="InvokeAI",
        prompt=with_networks(weights(words(values.get("positive_prompt"))), networks),
        negative=weights(words(values.get("negative_prompt"))),
        fields=fields,
        unknown=left_over(values, (_KNOWN - {"seamless_x", "seamless_y"}) | silent),
    )


def _old(values: dict[str, Any], size: tuple[int, int]) -> Foreign:
    image = values["image"]
    prompt = image.get("prompt")
    if isinstance(prompt, list):
        prompt = " ".join(words(one.get("prompt")) for one in prompt if isinstance(one, dict))
    sampler, schedule = scheduler_labels(words(image.get("sampler")))
    positive, negative = _parted(words(prompt))
    fields = {
        "Steps": plain(image.get("steps")),
        "Sampler": sampler,
        "Schedule type": schedule,
        "CFG scale": plain(image.get("cfg_scale")),
        "Seed": plain(image.get("seed")),
        "Size": f"{image.get('width', size[0])}x{image.get('height', size[1])}",
        "Model": stem(values.get("model_weights")),
        "Denoising strength": plain(image.get("strength")),
        "Tiling": True if image.get("seamless") else None,
    }
    unknown = left_over(image, _OLD)
    return Foreign(program="InvokeAI", prompt=positive, negative=negative, fields=fields, unknown=unknown)


def _dream(text: str, size: tuple[int, int]) -> Foreign | None:
    """ "a cat" -s 50 -S 42 -W 512 -H 512 -C 7.5 -A k_lms"""
    found = re.match(r'\s*"((?:[^"\\]|\\.)*)"(.*)', text, re.DOTALL)
    if found is None:
        return None
    options = dict(re.findall(r"-([A-Za-z])\s*([\w.]+)", found[2]))
    sampler, schedule = scheduler_labels(options.get("A", "k_lms"))
    positive, negative = _parted(found[1].replace('\\"', '"'))
    fields = {
        "Steps": options.get("s"),
        "Sampler": sampler,
        "Schedule type": schedule,
        "CFG scale": options.get("C"),
        "Seed": options.get("S"),
        "Size": f"{options.get('W', size[0])}x{options.get('H', size[1])}",
    }
    unknown = left_over({f"-{name}": value for name, value in options.items() if name not in _COMMAND}, ())
    return Foreign(program="InvokeAI", prompt=positive, negative=negative, fields=fields, unknown=unknown)


def _parted(prompt: str) -> tuple[str, str]:
    """Before 3.0 the negative prompt stood in square brackets inside the prompt."""
    negative = ", ".join(one.strip() for one in _BRACKETS.findall(prompt))
    return weights(_BRACKETS.sub("", prompt).strip()), weights(negative)


def weights(prompt: str) -> str:
    """(words)1.3 and word++ in the syntax of our prompts: (words:1.3), (word:1.21); a minus is 0.9 each."""
    prompt = _NUMBER_AFTER.sub(r"(\1:\2)", prompt)

    def marked(found: re.Match[str]) -> str:
        factor = (1.1 if found[2][0] == "+" else 0.9) ** len(found[2])
        return f"({found[1].strip('()')}:{factor:.3g})"

    return _MARKED.sub(marked, prompt)


def _model(value: object) -> str | None:
    if isinstance(value, dict):
        return stem(value.get("name") or value.get("model_name"))
    return stem(value)
