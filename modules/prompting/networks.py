"""Extra networks in prompts: <lora:name:0.8:te=0.5>."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_START = re.compile(r"<(\w+):")


@dataclass(frozen=True)
class Network:
    """One <kind:args> of a prompt, as written: nothing is looked up or turned into numbers here."""

    kind: str
    args: tuple[str, ...]
    named: Mapping[str, str] = field(default_factory=dict)


def parse_networks(text: str) -> tuple[str, tuple[Network, ...]]:
    """The text without its networks, and the networks in order. Kinds that nobody knows are taken out too."""
    kept: list[str] = []
    networks: list[Network] = []
    position = kept_to = 0
    while (found := _START.search(text, position)) is not None:
        end = text.find(">", found.end())
        if end < 0:
            break
        position = end + 1
        if end == found.end():  # <lora:> names nothing and stays text
            continue
        kept.append(text[kept_to : found.start()])
        kept_to = position
        networks.append(_network(found[1], text[found.end() : end]))
    kept.append(text[kept_to:])
    return "".join(kept), tuple(networks)


def _network(kind: str, body: str) -> Network:
    args: list[str] = []
    named: dict[str, str] = {}
    for part in body.split(":"):
        key, equals, value = part.partition("=")
        if equals:
            named[key] = value
        else:
            args.append(part)
    return Network(kind, tuple(args), named)
