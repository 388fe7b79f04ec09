"""Captions of a whole dataset read, changed and counted: find and replace, tags sorted, added and taken out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import regex

from modules.core.errors import UserError
from modules.core.files import inside
from modules.training.datasets.captions import tags_of
from modules.training.datasets.entries import CAPTION_KINDS, Entry, ToldBy, read_entries
from modules.training.datasets.workplace import Workplace

TIMEOUT_S = 2.0  # of one pattern on one caption; some patterns would take ages
MAX_PATTERN = 1000  # characters
MAX_TEXT = 20_000


@dataclass(frozen=True)
class Caption:
    """`file`: the picture's name from the dataset's folder."""

    file: str
    text: str
    told_by: ToldBy


@dataclass(frozen=True)
class CaptionEdit:
    """Done in this order. `remove` and `unique` are about tags, the parts between commas; so is `sort`."""

    kind: Literal["captions"] = "captions"
    find: str = ""
    replace: str = ""
    regex: bool = False
    ignore_case: bool = False
    remove: tuple[str, ...] = ()
    unique: bool = False
    sort: bool = False
    before: str = ""
    after: str = ""


def captions_of(folder: Path) -> list[Caption]:
    """Of every picture; what cannot be read counts as empty."""
    return [Caption(_name(folder, one), one.caption, one.told_by) for one in _entries(folder)]


def count_tags(folder: Path) -> list[tuple[str, int]]:
    """How many captions hold each tag, the most frequent first."""
    counts = Counter(tag for one in _entries(folder) if one.told_by != "name" for tag in {*tags_of(one.caption)})
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))


def write_captions(folder: Path, texts: Mapping[str, str]) -> Workplace:
    """Give pictures, by their names from the folder, these captions; those that say it already are left alone."""
    work, known = Workplace(folder), {_name(folder, one): one for one in _entries(folder)}
    for name, text in texts.items():
        if name not in known:
            raise UserError(f"There is no picture {name[:200]!r} in {folder.name}.", field="captions")
        if len(text) > MAX_TEXT:
            raise UserError(f"The caption of {name} is over {MAX_TEXT:,} characters.", field="captions")
    for name, text in texts.items():
        _write(work, known[name], " ".join(text.split()))
    return work


def edit_captions(folder: Path, edit: CaptionEdit) -> Workplace:
    """The edit in every caption; words of file names are no captions and become none by it, unless words are added."""
    change, work = editor(edit), Workplace(folder)
    adds = bool(edit.before or edit.after)
    for one in _entries(folder):
        if one.told_by != "name":
            _write(work, one, change(one.caption))
        elif adds:
            _write(work, one, change(""))
    return work


def editor(edit: CaptionEdit) -> Callable[[str], str]:
    """A function from a caption to the edited one; UserError when the pattern is none, or takes too long."""
    search = _pattern(edit)
    gone = {tag.casefold() for one in edit.remove for tag in tags_of(one)}

    def change(text: str) -> str:
        if search is not None:
            try:
                replace = edit.replace if edit.regex else edit.replace.replace("\\", r"\\")
                text = search.sub(replace, text, timeout=TIMEOUT_S)
            except TimeoutError:
                raise UserError("The pattern takes too long.", hint="Write it simpler.", field="find") from None
            except (regex.error, IndexError) as error:
                raise UserError(f"The replacement cannot be used: {error}.", field="replace") from None
        if gone or edit.unique or edit.sort:
            tags = [tag for tag in tags_of(text) if tag.casefold() not in gone]
            if edit.unique:
                first: dict[str, str] = {}
                for tag in tags:
                    first.setdefault(tag.casefold(), tag)
                tags = list(first.values())
            text = ", ".join(sorted(tags, key=str.casefold) if edit.sort else tags)
        added = f"{edit.before}{text}{edit.after}"
        return " ".join((added if text else added.strip(" ,")).split())

    return change


def _pattern(edit: CaptionEdit) -> regex.Pattern[str] | None:
    if not edit.find:
        return None
    if len(edit.find) > MAX_PATTERN:
        raise UserError(f"The pattern is over {MAX_PATTERN} characters.", field="find")
    flags = regex.IGNORECASE if edit.ignore_case else 0
    try:
        return regex.compile(edit.find if edit.regex else regex.escape(edit.find), flags)
    except regex.error as error:
        raise UserError(f"The pattern cannot be used: {error}.", field="find") from None


def _write(work: Workplace, entry: Entry, text: str) -> None:
    if entry.told_by != "name" and text == entry.caption:
        return
    path = entry.caption_file or entry.path.with_suffix(CAPTION_KINDS[0])
    work.replace(path, text.encode("utf-8"))


def _entries(folder: Path) -> list[Entry]:
    return read_entries(folder, lambda code, path, why: None)


def _name(folder: Path, entry: Entry) -> str:
    inside(folder, entry.path)
    return entry.path.relative_to(folder).as_posix()
