"""A1111's infotext, written and read: prompt lines, "Negative prompt: ..." lines, and one line of "Key: value" pairs.

    text   := prompt ["\\nNegative prompt: " negative] "\\n" pair *(", " pair)
    pair   := key ": " value | key                 (the bare key when the value is the same word)
    value  := text without comma, colon, newline | JSON string

What cannot be told apart: a prompt with a line of its own that begins with "Negative prompt:", and, with fewer
than three fields, the last line of a prompt from the fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

NEGATIVE = "Negative prompt:"
SIZES = ("Size", "Hires resize", "First pass size", "Seed resize from")  # read as "<Key>-1" and "<Key>-2" too
MIN_PAIRS = 3  # a last line with fewer belongs to the prompt

_KEY = re.compile(r"\w[\w \-/]+")
_PAIR = re.compile(r"\s*(\w[\w \-/]+):\s*")
_QUOTED = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")\s*(?:,|$)')  # alternatives never overlap, so no backtracking blow-up
_SIZE = re.compile(r"([0-9]{1,7})x([0-9]{1,7})")


def build_infotext(prompt: str, negative: str, fields: Mapping[str, object]) -> str:
    """The infotext of one picture. Fields that are None are left out; their order is kept."""
    pairs = [_pair(key, str(value)) for key, value in fields.items() if value is not None]
    lines = [_lines(prompt)]
    if _lines(negative):
        lines.append(f"{NEGATIVE} {_lines(negative)}")
    lines.append(", ".join(pairs))
    return whole_text("\n".join(lines).strip())


def add_fields(infotext: str, fields: Mapping[str, object]) -> str:
    """An infotext with more fields, before the program's version where it ends with that."""
    pairs = ", ".join(_pair(key, str(value)) for key, value in fields.items() if value is not None)
    if not pairs:
        return infotext
    head, version, tail = infotext.rpartition(", Version: ")
    if not version or "\n" in tail or "," in tail:
        return whole_text(f"{infotext}, {pairs}")
    return whole_text(f"{head}, {pairs}{version}{tail}")


def parse_infotext(text: str) -> dict[str, str]:
    """The prompt, the negative prompt and every field, as text. Any text is read, in linear time; nothing raises."""
    lines = _lines(text).split("\n")
    pairs, count = _pairs(lines[-1])
    if count >= MIN_PAIRS:
        lines.pop()
    else:
        pairs = {}
    begin = next((at for at, line in enumerate(lines) if line.lstrip().startswith(NEGATIVE)), len(lines))
    negative = "\n".join(lines[begin:]).strip().removeprefix(NEGATIVE).strip()
    found = {"Prompt": "\n".join(lines[:begin]).strip(), "Negative prompt": negative}
    for key, value in pairs.items():
        found.setdefault(key, value)
        size = _SIZE.fullmatch(value) if key in SIZES else None
        if size is not None:
            found[f"{key}-1"], found[f"{key}-2"] = size.groups()
    return found


def whole_text(text: str) -> str:
    """Text that UTF-8 can hold: halves of characters (lone surrogates, from JSON) are joined or replaced."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _pair(key: str, value: str) -> str:
    return key if key == value and _KEY.fullmatch(key) else f"{key}: {_quote(value)}"


def _quote(value: str) -> str:
    """As A1111, and where a raw value would come back changed: outer spaces, a leading quote, a return."""
    plain = not any(mark in value for mark in ",:\n\r") and value == value.strip() and not value.startswith('"')
    return value if plain else json.dumps(value, ensure_ascii=False)


def _pairs(line: str) -> tuple[dict[str, str], int]:
    """The fields of a line, and how many had a value: bare words are fields too, but do not make a line of fields."""
    found: dict[str, str] = {}
    count = at = 0
    while at < len(line):
        key = _PAIR.match(line, at)
        start = at if key is None else key.end()
        quoted = None if key is None else _QUOTED.match(line, start)
        comma = line.find(",", start)
        end = quoted.end() if quoted else len(line) if comma < 0 else comma + 1
        if key is not None:
            count += 1
            found[key[1]] = _unquote(quoted[1]) if quoted else line[start:end].removesuffix(",").strip()
        else:
            word = line[start:end].removesuffix(",").strip()
            if _KEY.fullmatch(word):
                found.setdefault(word, word)
        at = end
    return found, count


def _unquote(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError:
        return text
