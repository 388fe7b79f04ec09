"""The values of a plot's axis, as they are typed: lists with quotation marks, ranges with steps or counts."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable

from modules.core.errors import UserError

MOST = 10_000  # values of one axis
_WHOLE, _REAL = r"[+-]?\s*\d+", r"[+-]?\s*\d+(?:\.\d*)?"
_RANGE = r"\s*({0})\s*-\s*({0})\s*(?:\(\s*([+-]\s*{1})\s*\)|\[\s*(\d+)\s*\])?\s*"
_RANGES = {
    "whole": re.compile(_RANGE.format(_WHOLE, r"\d+")),
    "real": re.compile(_RANGE.format(_REAL, r"\d+(?:\.\d*)?")),
}


def split_values(text: str) -> list[str]:
    """The parts between commas or line ends, without outer spaces; quotation marks keep a comma inside one."""
    rows = csv.reader(io.StringIO(text), skipinitialspace=True)
    return [one.strip() for row in rows for one in row]


def join_values(values: Iterable[str]) -> str:
    """`split_values` gives the values back."""
    return ", ".join(_quoted(one) for one in values)


def _quoted(value: str) -> str:
    plain = not any(mark in value for mark in ',"\n\r')
    return value if plain else '"' + value.replace('"', '""') + '"'


def whole_values(text: str, axis: str) -> list[int]:
    """Whole numbers: "1, 2", "1-5", "1-10 (+2)", "10-0 (-3)", "1-10 [5]"; both ends count where a step meets them."""
    return [int(one) for part in _parts(text) for one in _numbers(part, axis, "whole")]


def real_values(text: str, axis: str) -> list[float]:
    """Numbers: "0.5, 1", "0-1 (+0.1)", "1-2 [4]"."""
    return [float(one) for part in _parts(text) for one in _numbers(part, axis, "real")]


def _parts(text: str) -> list[str]:
    return [one for one in split_values(text) if one]


def _numbers(part: str, axis: str, kind: str) -> list[float]:
    found = _RANGES[kind].fullmatch(part)
    if found is None:
        return [_number(part, axis, kind)]
    start, end = (float(found[at].replace(" ", "")) for at in (1, 2))
    if found[4] is not None:
        return _spread(start, end, _few(int(found[4]), axis, part))
    step = float(found[3].replace(" ", "")) if found[3] else 1.0
    count = math.floor((end - start) / step + 1e-9) + 1 if step else 0
    if count < 1:
        way = "a step that is not 0" if not step else f"a step such as ({'-' if end < start else '+'}1)"
        raise _wrong(axis, f"the range {part!r} has no value in it", f"Give it {way}.")
    return [round(start + at * step, 10) for at in range(_few(count, axis, part))]


def _number(part: str, axis: str, kind: str) -> float:
    try:
        value = float(part)
        if math.isfinite(value) and (kind == "real" or value.is_integer()):
            return value
    except ValueError:
        pass
    expected = "whole numbers such as 1, 2 or 1-5 or 1-10 (+2) or 1-10 [5]"
    if kind == "real":
        expected = "numbers such as 0.5, 1 or 0-1 (+0.1) or 1-2 [4]"
    raise _wrong(axis, f"{part!r} is not a number of it", f"Give {expected}.")


def _spread(start: float, end: float, count: int) -> list[float]:
    if count < 2:
        return [start] * count
    return [round(start + (end - start) * at / (count - 1), 10) for at in range(count)]


def _few(count: int, axis: str, part: str) -> int:
    if count > MOST:
        raise _wrong(axis, f"{part!r} is {count} values, but at most {MOST} can be drawn", "Make the range smaller.")
    return count


def _wrong(axis: str, what: str, hint: str) -> UserError:
    return UserError(f"{axis}: {what}.", hint=hint, field="script.values")
