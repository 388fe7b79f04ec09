"""Captions that differ from draw to draw: their tags in another order, some left out, the whole text left out."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CaptionDraws:
    """`keep`: so many tags in front stay where they are. `tag_dropout`, `dropout`: chances of a tag, of the whole."""

    shuffle: bool = False
    keep: int = 0
    tag_dropout: float = 0.0
    dropout: float = 0.0

    @property
    def vary(self) -> bool:
        return self.shuffle or self.tag_dropout > 0 or self.dropout > 0

    def draw(self, caption: str, generator: np.random.Generator) -> str:
        if self.dropout and generator.random() < self.dropout:
            return ""
        if not self.shuffle and not self.tag_dropout:
            return caption
        tags = tags_of(caption)
        kept, rest = tags[: self.keep], tags[self.keep :]
        if self.tag_dropout:
            rest = [tag for tag, draw in zip(rest, generator.random(len(rest))) if draw >= self.tag_dropout]
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
