"""One program's way of telling how a picture was made, and what is common to reading all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from modules.core.registry import Registry
from modules.imaging.infotext import build_infotext

SHOWN = 200  # characters of what was not understood


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """`fields`: by the infotext's names, None left out. `unknown`: what could not be told so, one line each."""

    program: str
    prompt: str = ""
    negative: str = ""
    fields: Mapping[str, object] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    @property
    def infotext(self) -> str:
        return build_infotext(self.prompt, self.negative, self.fields)


Reader = Callable[
    [Mapping[str, str], tuple[int, int]], Foreign | None
]  # (text items, size) -> None: not this program's
readers: Registry[Reader] = Registry("metadata reader")


def read_object(text: str | None) -> dict[str, Any] | None:
    """A JSON object; None for anything else."""
    if not text or not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def left_over(values: Mapping[str, Any], known: Iterable[str]) -> tuple[str, ...]:
    """ "name: value" of what is not known and says something."""
    silent: tuple[object, ...] = (None, "", False, [], {}, "None")
    return tuple(
        f"{name}: {value if isinstance(value, str) else json.dumps(value)}"[:SHOWN]
        for name, value in values.items()
        if name not in known and value not in silent
    )


def words(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def plain(value: object) -> object | None:
    """A number or a text that an infotext can hold; None otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    return f"{value:g}" if isinstance(value, float) else value


def stem(name: object) -> str | None:
    """A model file's name as the infotext tells it: without folders and ending."""
    text = words(name).replace("\\", "/").rpartition("/")[2]
    for ending in (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf"):
        text = text.removesuffix(ending)
    return text or None


def lora(name: object, weight: object, text_weight: object = None) -> str:
    """<lora:name:weight>, or with the text encoder's own weight in front."""
    both = "" if text_weight is None or text_weight == weight else f"{plain(text_weight)}:"
    return f"<lora:{stem(name)}:{both}{plain(weight)}>"


def with_networks(prompt: str, networks: Iterable[str]) -> str:
    return " ".join((prompt, *networks)).strip()
