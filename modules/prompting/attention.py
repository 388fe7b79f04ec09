"""Weights in prompts: (up), [down], (exactly:1.3), BREAK. Any text is valid; reading takes linear time."""

from __future__ import annotations

import math
import re

UP = 1.1
DOWN = 1 / 1.1
MAX_NESTING = 64  # brackets deeper than this are text
MAX_WEIGHT = 1e9

Run = tuple[str, float]

_SPECIAL = re.compile(r"[\\()\[\]:]")
_EXACT = re.compile(r":\s*([+-]?[.0-9]+)\s*\)")
_BREAK = re.compile(r"\bBREAK\b")


def parse_attention(text: str) -> list[Run]:
    """Runs of text with their weights, neighbours of equal weight in one run; "" is [("", 1.0)].

    A break is ("BREAK", -1.0); inside brackets its weight is multiplied too, which makes it a word: so it is elsewhere,
    and pictures depend on it. Unclosed brackets reach to the end, closers without opener are text.
    """
    reader = _Reader()
    position = 0
    while position < len(text):
        found = _SPECIAL.search(text, position)
        if found is None:
            reader.plain(text[position:])
            break
        if found.start() > position:
            reader.plain(text[position : found.start()])
        position = found.start() + reader.special(text, found.start())
    return reader.finish()


class _Reader:
    """Runs read so far, and for each kind of open bracket the run it starts at."""

    def __init__(self) -> None:
        self.texts: list[list[str]] = []
        self.weights: list[float] = []
        self.open: dict[str, list[int]] = {"(": [], "[": []}
        self.too_deep: dict[str, int] = {"(": 0, "[": 0}
        self.growing = False  # the last run is text that no bracket has begun or ended behind

    def add(self, text: str) -> None:
        if self.growing:
            self.texts[-1].append(text)
        else:
            self.texts.append([text])
            self.weights.append(1.0)
            self.growing = True

    def plain(self, text: str) -> None:
        parts = _BREAK.split(text)
        last = len(parts) - 1
        for index, part in enumerate(parts):
            if index > 0:
                self.texts.append(["BREAK"])
                self.weights.append(-1.0)
                self.growing = False
                part = part.lstrip()
            self.add(part.rstrip() if index < last else part)

    def special(self, text: str, at: int) -> int:
        """Read what begins with a special character; returns how many characters that took."""
        char = text[at]
        if char == "\\":
            escaped = text[at + 1 : at + 2]
            if escaped and escaped in "()[]\\":
                self.add(escaped)
                return 2
            return 1
        if char in "([":
            self.begin(char)
        elif char == ")":
            self.end("(", UP, char)
        elif char == "]":
            self.end("[", DOWN, char)
        else:
            return self.colon(text, at)
        return 1

    def begin(self, char: str) -> None:
        if len(self.open["("]) + len(self.open["["]) >= MAX_NESTING:
            self.too_deep[char] += 1
            self.add(char)
        else:
            self.open[char].append(len(self.texts))
            self.growing = False

    def end(self, opener: str, factor: float, char: str) -> None:
        if self.too_deep[opener]:
            self.too_deep[opener] -= 1
            self.add(char)
        elif self.open[opener]:
            self.multiply(self.open[opener].pop(), factor)
        else:
            self.add(char)

    def colon(self, text: str, at: int) -> int:
        found = _EXACT.match(text, at)
        if found is None or not self.open["("] or self.too_deep["("]:
            self.add(":")
            return 1
        weight = _number(found[1])
        if weight is None:
            self.add(":")
            return 1
        self.multiply(self.open["("].pop(), weight)
        return found.end() - at

    def multiply(self, start: int, factor: float) -> None:
        self.growing = False
        for index in range(start, len(self.weights)):
            self.weights[index] = max(-MAX_WEIGHT, min(MAX_WEIGHT, self.weights[index] * factor))

    def finish(self) -> list[Run]:
        for opener, factor in (("(", UP), ("[", DOWN)):
            for start in self.open[opener]:
                self.multiply(start, factor)
        runs: list[tuple[list[str], float]] = []
        for pieces, weight in zip(self.texts, self.weights):
            if runs and runs[-1][1] == weight:
                runs[-1][0].extend(pieces)
            else:
                runs.append((pieces, weight))
        return [("".join(texts), weight) for texts, weight in runs] or [("", 1.0)]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:  # 1.2.3
        return None
    return value if math.isfinite(value) else None
