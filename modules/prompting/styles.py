"""Prompt styles, kept in styles.csv as A1111 keeps them, so that one file serves both."""

from __future__ import annotations

import csv
import difflib
import io
import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from modules.core.errors import NotFoundError, UserError
from modules.core.files import write_atomic

PLACE = "{prompt}"
MAX_LENGTH = 100_000  # characters of one text; what reads CSV files stops at 131,072

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Style:
    """Texts for both prompts; {prompt} in one of them is where the prompt goes, else the text follows the prompt."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""

    @property
    def negative(self) -> str:
        return self.negative_prompt


class StyleBook:
    """The styles of one or more files, read again whenever another program changed them.

    Of two styles of one name the earlier file's counts. A change goes into the file that has the style, a new style
    into the first. The file as it was before a change stays beside it, with .bak at its end.
    """

    def __init__(self, path: Path, *more: Path) -> None:
        self.path = path
        self._files = [_StylesFile(one) for one in dict.fromkeys((path, *more))]
        self._lock = threading.RLock()

    def names(self) -> list[str]:
        return list(self._current())

    def __contains__(self, name: object) -> bool:
        return name in self._current()

    def get(self, name: str) -> Style:
        """NotFoundError names the nearest styles."""
        styles = self._current()
        if name not in styles:
            close = difflib.get_close_matches(name, styles, n=3, cutoff=0.5)
            listed = ", ".join(list(styles)[:12])
            hint = f"Did you mean {', '.join(close)}?" if close else f"Known: {listed}." if listed else ""
            raise NotFoundError(f"Unknown style {name!r}.", hint=hint, field="styles")
        return styles[name]

    def save(self, name: str | Style, prompt: str = "", negative_prompt: str = "") -> None:
        """Add a style or replace the one of that name."""
        style = name if isinstance(name, Style) else Style(name, prompt, negative_prompt)
        _check(style)
        with self._lock:
            file = next((one for one in self._files if style.name in one.read()), self._files[0])
            file.write({**file.read(), style.name: style})

    def delete(self, name: str) -> None:
        with self._lock:
            self.get(name)
            for file in self._files:  # all that have it: else the next file's would appear in its place
                if name in file.read():
                    file.write({key: style for key, style in file.read().items() if key != name})

    def apply(self, positive: str, negative: str, names: Iterable[str]) -> tuple[str, str]:
        """Both prompts with the styles put in, in order."""
        for style in [self.get(name) for name in names]:
            positive = _merge(style.prompt, positive)
            negative = _merge(style.negative_prompt, negative)
        return positive, negative

    def _current(self) -> Mapping[str, Style]:
        with self._lock:
            found: dict[str, Style] = {}
            for file in self._files:
                for name, style in file.read().items():
                    found.setdefault(name, style)
            return found


class _StylesFile:
    """One styles.csv and what was last read of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int] | None = None
        self._styles: dict[str, Style] = {}

    def read(self) -> Mapping[str, Style]:
        try:
            facts = self.path.stat()
            stamp = (facts.st_mtime_ns, facts.st_size)
            if stamp != self._stamp:
                self._styles = _read(self.path)
                self._stamp = stamp
        except FileNotFoundError:
            self._stamp, self._styles = None, {}
        return self._styles

    def write(self, styles: Mapping[str, Style]) -> None:
        if self.path.exists():
            write_atomic(self.path.with_name(self.path.name + ".bak"), self.path.read_bytes())
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(["name", "prompt", "negative_prompt"])
        writer.writerows([one.name, one.prompt, one.negative_prompt] for one in styles.values())
        write_atomic(self.path, text.getvalue().encode("utf-8-sig"))
        self._stamp = None


def _check(style: Style) -> None:
    """UserError for what could be written but not read again."""
    if not style.name.strip():
        raise UserError("A style needs a name.", field="name")
    for field, text in (("name", style.name), ("prompt", style.prompt), ("negative_prompt", style.negative_prompt)):
        if len(text) > MAX_LENGTH:
            raise UserError(f"The {field} has {len(text)} characters.", hint=f"Use up to {MAX_LENGTH}.", field=field)
        if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
            raise UserError(f"The {field} holds characters that no text file can hold.", field=field)


def _merge(style: str, prompt: str) -> str:
    if PLACE in style:
        return style.replace(PLACE, prompt)
    return ", ".join(part for part in (prompt.strip(), style.strip()) if part)


def _read(path: Path) -> dict[str, Style]:
    """Styles by name. Old files call the prompt's column "text"; rows without a name are left out."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path.name} cannot be read: {error}.", hint="Save it as UTF-8 CSV, or remove it.") from error
    found: dict[str, Style] = {}
    for row in rows:
        name = row.get("name") or ""
        if name.strip():
            prompt = row.get("prompt", row.get("text")) or ""
            found[name] = Style(name, prompt, row.get("negative_prompt") or "")
    if rows and not found:
        log.warning("%s holds no style: its columns should be name, prompt, negative_prompt.", path.name)
    return found
