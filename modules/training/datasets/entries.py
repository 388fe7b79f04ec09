"""What a folder of pictures means: which files are pictures, and what belongs to each of them. Torch is not needed.

Captions: NAME.txt or NAME.caption beside NAME.png; a line of metadata.jsonl in the picture's folder or above it, as
{"file_name": "NAME.png", "text": "..."}; the words of a folder that kohya's trainers would read, "10_red barn": ten
repeats of "red barn"; else the words of the file's name. Masks: NAME-masklabel.png beside the picture, or a file of
its name in a folder "masks" beside it. What lies in a folder "reg" keeps what the model knew (regularisation).
Hidden files and folders are left alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

from modules.core.errors import UserError
from modules.core.files import inside
from modules.imaging.metadata import SUFFIXES

KINDS = frozenset({*SUFFIXES, ".bmp"})
CAPTION_KINDS = (".txt", ".caption")  # the first that is there is read
METADATA = "metadata.jsonl"
MASK_END, MASK_FOLDER, REGULARISATION = "-masklabel", "masks", "reg"
NOT_DATA = ("__MACOSX",)
MAX_CAPTION = 1 << 20  # bytes
_KOHYA = re.compile(r"(\d{1,3})_(.+)")

ToldBy = Literal["text", "metadata", "folder", "name"]
OnProblem = Callable[[str, Path, str], None]  # (code of modules/training/lint.py, file, what is wrong with it)


@dataclass(frozen=True)
class Entry:
    """One picture. `repeats`: how often it counts, relative to the others. `caption_file`: where its text stands."""

    path: Path
    caption: str
    told_by: ToldBy
    caption_file: Path | None = None
    repeats: int = 1
    mask: Path | None = None
    regularisation: bool = False


def refuse(code: str, path: Path, message: str) -> NoReturn:
    """Names only the file and its folder: clients of the API read it, and need not know the way there."""
    raise UserError(f"{'/'.join(path.parts[-2:])} {message}.", hint="Mend or remove it.", field="data.folder")


def read_entries(folder: Path, on_problem: OnProblem = refuse) -> list[Entry]:
    """All pictures of the folder and the folders in it, in the order of their paths."""
    pictures, masks = split_masks(files_of(folder))
    told = dict(_metadata(folder, on_problem))
    return [_entry(folder, path, masks.get(path), told.get(path), on_problem) for path in pictures]


def files_of(folder: Path) -> list[Path]:
    """Every picture file, masks among them, sorted."""
    return sorted(path for path in _visible(folder) if path.suffix.lower() in KINDS)


def caption_files(folder: Path) -> list[Path]:
    return sorted(path for path in _visible(folder) if path.suffix.lower() in CAPTION_KINDS)


def split_masks(files: Iterable[Path]) -> tuple[list[Path], dict[Path, Path]]:
    """(the pictures, the mask of each picture that has one). A folder "masks" without any picture's mask is plain."""
    files = list(files)
    marked = {path for path in files if path.stem.endswith(MASK_END)}
    known = {path.with_suffix("") for path in files if path not in marked}
    within = {path for path in files if path.parent.name == MASK_FOLDER and path not in marked}
    folders = {path.parent for path in within if path.parent.parent / path.stem in known}
    masks = marked | {path for path in within if path.parent in folders}
    of_picture = {_masked(path): path for path in sorted(masks)}
    pictures = [path for path in files if path not in masks]
    return pictures, {path: of_picture[bare] for path in pictures if (bare := path.with_suffix("")) in of_picture}


def read_caption(path: Path) -> str:
    """The words of a caption file on one line; ValueError when it is no text in UTF-8."""
    if path.stat().st_size > MAX_CAPTION:
        raise ValueError(f"is larger than {MAX_CAPTION >> 20} MiB")
    try:
        return " ".join(path.read_text("utf-8-sig").split())
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 at byte {error.start}") from error


def name_words(path: Path) -> str:
    """ "red_apple-03.png" says "red apple"."""
    return " ".join(re.sub(r"[\W_]+|\d+$", " ", path.stem).split())


def concept_of(folder: Path, path: Path) -> tuple[int, str]:
    """(repeats, words) of the nearest folder named as kohya's trainers read it, the dataset's own included; (1, "")."""
    for above in path.parents:
        if found := _KOHYA.fullmatch(above.name):
            return max(1, int(found[1])), " ".join(found[2].split())
        if above == folder:
            break
    return 1, ""


def _visible(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if not any(part.startswith(".") or part in NOT_DATA for part in parts) and path.is_file():
            yield path


def _masked(mask: Path) -> Path:
    """The path without suffix of the picture that a mask belongs to."""
    if mask.stem.endswith(MASK_END):
        return mask.with_name(mask.stem.removesuffix(MASK_END))
    return mask.parent.parent / mask.stem


def _entry(folder: Path, path: Path, mask: Path | None, told: str | None, on_problem: OnProblem) -> Entry:
    repeats, words = concept_of(folder, path)
    regularisation = REGULARISATION in (part.lower() for part in path.relative_to(folder).parts[:-1])
    beside = next((one for kind in CAPTION_KINDS if (one := path.with_suffix(kind)).is_file()), None)
    caption, by = told, "metadata"
    if beside is not None:
        try:
            caption, by = read_caption(beside), "text"
        except (OSError, ValueError) as error:
            on_problem("caption_unreadable", beside, str(error))
            caption, by = "", "text"
    if caption is None:
        caption, by = (words, "folder") if words else (name_words(path), "name")
    return Entry(path, caption, by, beside, repeats, mask, regularisation)


def _metadata(folder: Path, on_problem: OnProblem) -> Iterator[tuple[Path, str]]:
    """(picture, its text) of every line of every metadata.jsonl."""
    for listing in sorted(path for path in _visible(folder) if path.name == METADATA):
        try:
            lines = listing.read_text("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            on_problem("metadata_unreadable", listing, f"cannot be read: {error}")
            continue
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                name, text = _row(line)
                path = inside(listing.parent, name)
            except (ValueError, UserError) as error:
                on_problem("metadata_unreadable", listing, f"has a line {number} that cannot be used: {error}")
                continue
            path = listing.parent / path.relative_to(listing.parent.resolve())
            if path.is_file():
                yield path, text
            else:
                on_problem("picture_missing", listing, f"names {name[:200]!r} in line {number}, which is not there")


def _row(line: str) -> tuple[str, str]:
    row: Any = json.loads(line)
    if not isinstance(row, dict) or not isinstance(row.get("file_name"), str):
        raise ValueError('it has no "file_name"')
    text = row.get("text", "")
    if not isinstance(text, str):
        raise ValueError('its "text" is no text')
    return row["file_name"], " ".join(text.split())
