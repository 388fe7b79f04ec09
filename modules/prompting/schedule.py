"""Prompts that change while a picture is made: [from:to:when], [a|b], and the parts of a AND b.

Any text is valid: what is not a well formed edit is text. Reading takes linear time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Union

MAX_NESTING = 64  # brackets deeper than this are text

_TOKEN = re.compile(r"\\.|[\[\]():|]|[^\\\[\]():|]+|\\", re.DOTALL)
_WHEN = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")
_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r"\s*([-+]?(?:[0-9]+\.?|[0-9]*\.[0-9]+))")


def prompt_schedule(
    text: str, steps: int, hires_steps: int | None = None, *, old_timelines: bool = False
) -> list[tuple[int, str]]:
    """(last step, text) in order of steps, counted from 1; the last entry ends at the pass's last step.

    `when` with a point is a fraction of the steps, else a step; the first text holds up to and including it.
    hires_steps: the schedule is that of the second pass, of so many steps. There steps count on from those of the first
    pass and its fractions run from 1.0 to 2.0. old_timelines: numbers below 1 are fractions, each pass counts from 0.
    """
    total = steps if hires_steps is None else hires_steps
    clock = _Clock(total, steps if hires_steps is not None and not old_timelines else None, old_timelines)
    tree = _read(text, clock)
    if clock.alternates:
        ends = list(range(1, total + 1))
    else:
        ends = sorted({*clock.ends, total})
    return [(end, "".join(_render(tree, end))) for end in ends or [total]]


def split_and(text: str) -> list[tuple[str, float]]:
    """The parts between ANDs, each with the weight after its last colon ("a :0.7"), 1.0 where there is none."""
    return [_weighted(part.rstrip()) for part in _AND.split(text)]


def _weighted(part: str) -> tuple[str, float]:
    head, colon, tail = part.rpartition(":")
    found = _WEIGHT.fullmatch(tail) if colon else None
    if found is None or not math.isfinite(float(found[1])):
        return part, 1.0
    return head.rstrip(), float(found[1])


@dataclass
class _Clock:
    """Turns a written `when` into a step of this pass, and remembers where texts change."""

    total: int
    before: int | None  # steps of the pass before, which written steps count too
    old: bool
    ends: set[int] = field(default_factory=set)
    alternates: bool = False

    def step(self, written: str) -> int:
        value = float(written)
        if self.old:
            value = value * self.total if value < 1 else value
        elif "." in written:
            value = (value - (0 if self.before is None else 1)) * self.total
        else:
            value -= self.before or 0
        step = int(max(-1.0, min(float(self.total), value)))
        if step >= 1:
            self.ends.add(step)
        return step


@dataclass(frozen=True)
class _Edit:
    first: list[_Node]
    then: list[_Node]
    when: int


@dataclass(frozen=True)
class _Alternate:
    options: list[list[_Node]]


_Node = Union[str, _Edit, _Alternate, "list[_Node]"]


@dataclass
class _Open:
    """An open bracket: the pieces read so far and the separators between them. The outermost has no opener."""

    opener: str
    pieces: list[list[_Node]] = field(default_factory=lambda: [[]])
    separators: list[str] = field(default_factory=list)

    def add(self, node: _Node) -> None:
        self.pieces[-1].append(node)

    def split(self, separator: str) -> None:
        self.separators.append(separator)
        self.pieces.append([])

    def literal(self, closer: str = "") -> list[_Node]:
        """All of it as text, with what was understood inside."""
        nodes: list[_Node] = [self.opener, self.pieces[0]]
        for separator, piece in zip(self.separators, self.pieces[1:]):
            nodes += [separator, piece]
        nodes.append(closer)
        return nodes


def _read(text: str, clock: _Clock) -> list[_Node]:
    stack = [_Open("")]
    too_deep = 0
    for token in _TOKEN.findall(text):
        top = stack[-1]
        if token in ("[", "("):
            if len(stack) > MAX_NESTING:
                too_deep += 1
                top.add(token)
            else:
                stack.append(_Open(token))
        elif token in ("]", ")"):
            if too_deep:
                too_deep -= 1
                top.add(token)
            else:
                _close(stack, token, clock)
        elif token in (":", "|") and top.opener == "[":
            top.split(token)
        else:
            top.add(token)
    while len(stack) > 1:
        unclosed = stack.pop().literal()
        stack[-1].add(unclosed)
    return stack[0].pieces[0]


def _close(stack: list[_Open], closer: str, clock: _Clock) -> None:
    opener = "[" if closer == "]" else "("
    if all(one.opener != opener for one in stack):
        stack[-1].add(closer)
        return
    crossed = False
    while stack[-1].opener != opener:  # brackets that cross mean nothing
        inner = stack.pop().literal()
        stack[-1].add(inner)
        crossed = True
    done = stack.pop()
    stack[-1].add(done.literal(closer) if crossed or opener == "(" else _understand(done, clock))


def _understand(bracket: _Open, clock: _Clock) -> _Node:
    """The meaning of a closed [...]: an alternation, an edit, or text."""
    kinds = set(bracket.separators)
    if kinds == {"|"}:
        clock.alternates = True
        return _Alternate(bracket.pieces)
    written = bracket.pieces[-1]
    if kinds == {":"} and len(bracket.pieces) <= 3 and len(written) == 1 and isinstance(written[0], str):
        found = _WHEN.fullmatch(written[0])
        if found is not None:
            *first, then = bracket.pieces[:-1]
            return _Edit(first[0] if first else [], then, clock.step(found[1]))
    return bracket.literal("]")


def _render(nodes: list[_Node], step: int) -> Iterator[str]:
    """The text at one step. Depth is bounded by MAX_NESTING."""
    for node in nodes:
        if isinstance(node, str):
            yield node
        elif isinstance(node, _Edit):
            yield from _render(node.first if step <= node.when else node.then, step)
        elif isinstance(node, _Alternate):
            yield from _render(node.options[(step - 1) % len(node.options)], step)
        else:
            yield from _render(node, step)
