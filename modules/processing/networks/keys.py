"""A network file's keys, taken apart: which module each belongs to, and what it is there. Needs no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from modules.processing.networks.names import of_processor

ADAPTER = r"(?:\.\w+)?"  # PEFT's name of an adapter, where a training state was saved as it was
SUFFIXES = (
    (rf"(?:lora_down|lora_A{ADAPTER}|lora\.down|lora_linear_layer\.down)\.weight", "down"),
    (rf"(?:lora_up|lora_B{ADAPTER}|lora\.up|lora_linear_layer\.up)\.weight", "up"),
    (r"lora_mid\.weight", "mid"),
    (rf"lora_magnitude_vector{ADAPTER}(?:\.weight)?", "magnitude"),
    (rf"(hada_(?:w[12]_[ab]|t[12])){ADAPTER}", ""),
    (rf"(lokr_(?:w[12](?:_[ab])?|t2)){ADAPTER}", ""),
    (rf"(ia3_l){ADAPTER}", ""),
    (r"(a1|a2|b1|b2|bm)\.weight", ""),
    (r"(alpha|dora_scale|oft_blocks|oft_diag|rescale|diff_b|diff|w_norm|b_norm|on_input|scale|weight)", ""),
)  # spellings in files, and what they are called here; "": by the group
_KEYS = [(re.compile(rf"(.+?)\.{spelling}", re.IGNORECASE), name) for spelling, name in SUFFIXES]
_PROCESSOR = re.compile(r"(.+)_lora\.(down|up)\.weight")
_BUNDLE = re.compile(r"bundle_emb\.([^.]+)\.(.+)")


@dataclass(frozen=True, kw_only=True)
class Keys:
    """modules: module's name -> what it has -> key. bundled: embedding's name -> its tensor's name -> key.

    unknown: keys that are none of these.
    """

    modules: dict[str, dict[str, str]] = field(default_factory=dict)
    bundled: dict[str, dict[str, str]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def take_apart(keys: Iterable[str]) -> Keys:
    """All keys of a network file by what they belong to."""
    found = Keys()
    for key in keys:
        if bundle := _BUNDLE.fullmatch(key):
            found.bundled.setdefault(bundle[1], {})[bundle[2]] = key
        elif told := _of_module(key):
            found.modules.setdefault(told[0], {})[told[1]] = key
        else:
            found.unknown.append(key)
    return found


def _of_module(key: str) -> tuple[str, str] | None:
    if old := _PROCESSOR.fullmatch(key):
        return of_processor(old[1]), old[2]
    for spelling, name in _KEYS:
        if found := spelling.fullmatch(key):
            return found[1], name or found[2].lower()
    return None
