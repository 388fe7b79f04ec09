"""Captions that differ from draw to draw: their tags, the parts between commas, in another order, some left out."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CaptionDraws:
    """`keep`: so many tags in front stay where they are. `dropout`: the chance of each other one to be left out."""

    shuffle: bool = False
    keep: int = 0
    dropout: float = 0.0

    @property
    def vary(self) -> bool:
        return self.shuffle or self.dropout > 0

    def draw(self, caption: str, generator: np.random.Generator) -> str:
        if not self.vary:
            return caption
        tags = tags_of(caption)
        kept, rest = tags[: self.keep], tags[self.keep :]
        if self.dropout:
            rest = [tag for tag, draw in zip(rest, generator.random(len(rest))) if draw >= self.dropout]
        if self.shuffle:
            rest = [rest[place] for place in generator.permutation(len(rest))]
        return ", ".join(kept + rest)


def tags_of(caption: str) -> list[str]:
    """The parts between commas that are not empty, bare of spaces around them."""
    return [tag for part in caption.split(",") if (tag := part.strip())]


def with_trigger(caption: str, trigger: str) -> str:
    """The caption, led by the trigger unless it says it somewhere as whole words."""
    if not trigger or re.search(rf"(?<!\w){re.escape(trigger)}(?!\w)", caption, re.IGNORECASE):
        return caption
    return f"{trigger}, {caption}" if caption else trigger
