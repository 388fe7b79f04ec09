"""Datasets that were handed in: folders below datasets/ in the data folder, each known by its name."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from modules.core.errors import NotFoundError, UserError
from modules.core.files import inside, write_atomic
from modules.core.paths import Paths
from modules.imaging.metadata import MAX_PIXELS
from modules.imaging.names import safe_part
from modules.training.datasets.decode import BROKEN, DECODERS
from modules.training.datasets.entries import CAPTION_KINDS, KINDS, MAX_CAPTION, METADATA, files_of, read_entries

FOLDER = "datasets"
MAX_BYTES = 64 << 20  # of one file
MAX_FILES = 10_000  # of one dataset
MAX_NAME = 80  # characters
_ADDING = threading.Lock()  # two uploads at once must not find the same free name


@dataclass(frozen=True)
class DatasetInfo:
    """`captions`: pictures that have their own. `changed`: seconds since 1970."""

    name: str
    pictures: int
    captions: int
    bytes: int
    changed: float


class DatasetStore:
    def __init__(self, paths: Paths) -> None:
        self.root = paths.data / FOLDER

    def names(self) -> list[str]:
        if not self.root.is_dir():
            return []
        return sorted(one.name for one in self.root.iterdir() if one.is_dir() and not one.name.startswith("."))

    def infos(self) -> list[DatasetInfo]:
        return [self.info(name) for name in self.names()]

    def info(self, name: str) -> DatasetInfo:
        """Files that cannot be read count as they are; the linter says what is wrong with them."""
        folder = self.folder(name)
        entries = read_entries(folder, lambda code, path, why: None)
        stats = [path.stat() for path in files_of(folder)]
        return DatasetInfo(
            name=name,
            pictures=len(entries),
            captions=sum(one.told_by != "name" and bool(one.caption) for one in entries),
            bytes=sum(one.st_size for one in stats),
            changed=max((one.st_mtime for one in stats), default=folder.stat().st_mtime),
        )

    def folder(self, name: str) -> Path:
        """NotFoundError when there is no such dataset."""
        folder = self.place(name)
        if not folder.is_dir():
            raise NotFoundError(f"There is no dataset {name[:MAX_NAME]!r}.", hint="Choose one of the list.")
        return folder

    def place(self, name: str) -> Path:
        """Where a dataset of that name is, or would be; UserError for what cannot be a name."""
        if not name or name != safe_part(name, MAX_NAME) or name.startswith("."):
            raise UserError(
                f"A dataset cannot be called {name[:MAX_NAME]!r}.",
                hint=f"Use up to {MAX_NAME} letters, digits, spaces and dashes.",
                field="name",
            )
        return inside(self.root, name)

    def add(self, name: str, files: Iterable[tuple[str, bytes]]) -> list[str]:
        """Keep files of (name, content): pictures, captions, metadata.jsonl. Returns their names in the dataset.

        None is ever overwritten: files of one stem that would be take another stem together. UserError names a file
        that is neither, and then none is kept.
        """
        folder, checked = self.place(name), []
        there = len(files_of(folder)) if folder.is_dir() else 0
        for given, data in files:
            checked.append((_checked(given, data), data))
            if there + len(checked) > MAX_FILES:
                raise UserError(f"A dataset holds at most {MAX_FILES:,} files.", hint="Make several.", field="files")
        if len({given.casefold() for given, _ in checked}) < len(checked):
            raise UserError("Two of the files have one name.", hint="Hand them in one after the other.", field="files")
        groups: dict[str, list[tuple[str, bytes]]] = {}
        for given, data in checked:
            groups.setdefault(Path(given).stem, []).append((given, data))
        with _ADDING:
            stems = {stem: _free_stem(folder, stem, group) for stem, group in groups.items()}
            kept = []
            for given, data in checked:
                path = folder / f"{stems[Path(given).stem]}{Path(given).suffix}"
                if not path.exists():
                    write_atomic(path, data)
                kept.append(path.name)
        return kept


def _free_stem(folder: Path, stem: str, group: list[tuple[str, bytes]]) -> str:
    """One with which none of the files would replace another; files that are there already, byte by byte, may stay.

    Other pictures of the stem count too: their captions would be one file.
    """
    number = 1
    while True:
        tried = stem if number == 1 else f"{stem}-{number}"
        mine = {f"{tried}{Path(given).suffix}": data for given, data in group}
        there = [one for one in folder.glob("*") if one.stem == tried and one.is_file()]
        if all(one.name in mine and one.read_bytes() == mine[one.name] for one in there):
            return tried
        number += 1


def _checked(given: str, data: bytes) -> str:
    """The file's name as it will be kept; UserError when it is nothing that a dataset holds."""
    name = safe_part(given.replace("\\", "/").rsplit("/", 1)[-1], MAX_NAME * 2).lstrip(".")
    stem, kind = Path(name).stem, Path(name).suffix.lower()
    if len(data) > MAX_BYTES:
        raise UserError(f"{name} is larger than {MAX_BYTES >> 20} MiB.", hint="Make it smaller.", field="files")
    if name == METADATA:
        return name
    if not stem or kind not in {*KINDS, *CAPTION_KINDS}:
        known = ", ".join(sorted({*KINDS, *CAPTION_KINDS}))
        raise UserError(f"{name!r} is neither picture nor caption.", hint=f"Known: {known}, {METADATA}.", field="files")
    if kind in CAPTION_KINDS:
        if len(data) > MAX_CAPTION:
            raise UserError(f"{name} is too long for a caption.", field="files")
        return f"{stem}{kind}"
    try:
        with Image.open(io.BytesIO(data), formats=DECODERS) as image:
            pixels = image.width * image.height
    except BROKEN as error:
        raise UserError(f"{name} cannot be read as a picture: {error}.", hint="Save it again.", field="files") from None
    if pixels > MAX_PIXELS:
        raise UserError(f"{name} has more than {MAX_PIXELS:,} pixels.", hint="Make it smaller.", field="files")
    return f"{stem}{kind}"
