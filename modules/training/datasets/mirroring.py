"""Which pictures may be turned left to right: those of which nothing is told or written that would become wrong."""

from __future__ import annotations

import re

# English words of sides and turns, and of things that show writing, digits or a clock face
SIDES = "left right leftward leftwards rightward rightwards clockwise counterclockwise anticlockwise east west"
WRITING = (
    "text letter letters word words writing written sign signature logo label button keycap number numbers digit "
    "digits latin alphabet abc abcd abcdef input calendar clock o'clock thirty watch flag newspaper map poster quote "
    "saying says document book keyboard title caption watermark ticket banknote atm soon symbols 100 hundred hash page"
)
KEPT = frozenset(f"{SIDES} {WRITING}".split())


def may_mirror(*texts: str) -> bool:
    """Whether no text names a side or writing. A guess by words: it rather forbids too much."""
    return not any(KEPT & set(re.findall(r"[a-z0-9']+", text.lower())) for text in texts)
