"""Textual inversion: files whose vectors stand in the place of a word. What they are is told without torch."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modules.core.errors import ModelError
from modules.core.settings import Setting, define
from modules.processing.models.catalog import PICTURES, ModelCatalog, ModelFile
from modules.processing.models.families import Family, TextEncoderRecipe, families
from modules.processing.models.hashes import stamp
from modules.processing.networks.embedding_data import bundled_names, open_data, vector_count, vector_parts

if TYPE_CHECKING:
    from torch import Tensor

ADD_HASHES = define(
    Setting("textual_inversion_add_hashes_to_infotext", True, "Hashes of embeddings in infotext", section="Infotext")
)
Widths = tuple[tuple[str, int], ...]  # (part, width) of each text encoder: (("", 768),) or clip_l's and clip_g's


@dataclass(frozen=True, kw_only=True)
class EmbeddingFile:
    """name: the word that it stands for. member: its name in the LoRA file `path` that brings it along, or "".

    step, checkpoint, checkpoint_name: from when and on what it was trained, where the file says so.
    hash: 12 digits of the file's sha256, once it is known. broken: why it cannot be used.
    """

    name: str
    path: Path
    member: str = ""
    stamp: tuple[int, int] = (0, 0)
    vectors: int = 0
    widths: Widths = ()
    step: int | None = None
    checkpoint: str | None = None
    checkpoint_name: str | None = None
    hash: str = ""
    broken: str = ""

    @property
    def width(self) -> int:
        """All its numbers a vector, as A1111 counts them."""
        return sum(one for _, one in self.widths)

    @property
    def family(self) -> str:
        """The family whose text encoders are as wide; "" where none is."""
        return next((one.name for one in families if self.fits(family_widths(one))), "")

    def fits(self, widths: Widths) -> bool:
        return not self.broken and set(widths) <= set(self.widths)

    def misfit(self, widths: Widths) -> str:
        """Why text encoders of these widths cannot read it, or ""."""
        if self.broken or self.fits(widths):
            return self.broken
        label = families.get(self.family).label if self.family else "another model"
        wanted = " and ".join(str(one) for _, one in widths)
        own = " and ".join(str(one) for _, one in self.widths)
        return f"It is made for {label}: its vectors have {own} numbers, the model's {wanted}."


class EmbeddingFiles:
    """The embeddings there are. Files that did not change are opened once."""

    def __init__(self, catalog: ModelCatalog, *, allow_pickle: bool = False) -> None:
        self._catalog = catalog
        self._allow_pickle = allow_pickle
        self._lock = threading.Lock()
        self._known: dict[tuple[Path, str], EmbeddingFile] = {}

    def files(self) -> list[EmbeddingFile]:
        """All, the broken ones too; of files with the same name the first. A picture is one if it carries vectors."""
        found: dict[str, EmbeddingFile] = {}
        listed = self._catalog.embeddings()
        models = {one.path.with_suffix("") for one in listed if one.path.suffix.lower() not in PICTURES}
        for one in listed:
            picture = one.path.suffix.lower() in PICTURES
            if picture and (one.path.stem.endswith(".preview") or one.path.with_suffix("") in models):
                continue  # beside an embedding, and none itself
            file = self._file(one.path, "")
            if file is not None and not (picture and file.broken):
                found.setdefault(file.name.casefold(), file)
        return list(found.values())

    def bundled(self, path: Path) -> list[EmbeddingFile]:
        """Those that a LoRA file brings along."""
        found = [self._file(path, name) for name in bundled_names(path)]
        return [one for one in found if one is not None]

    def refresh(self) -> None:
        """Look at the folders again."""
        self._catalog.refresh()

    def missed(self, told: str) -> list[str]:
        """What is not here of an infotext's "TI hashes": "name: hash, name: hash"."""
        wanted = dict(re.findall(r"([^,:]+): ?([0-9a-f]+)", told))
        here = {one.name: one for one in self.files()} if wanted else {}
        found: list[str] = []
        for name, digits in ((name.strip(), digits) for name, digits in wanted.items()):
            if name not in here:
                found.append(f"The embedding {name} [{digits}] is not here.")
            elif self._catalog.hashes.enabled and not (self.hashed(here[name]).hash or digits).startswith(digits):
                found.append(f"The embedding {name} is here, but another one than [{digits}].")
        return found

    def hashed(self, file: EmbeddingFile) -> EmbeddingFile:
        """The same with its hash, which a bundled one does not have."""
        hashes = self._catalog.hashes
        if file.member or not hashes.enabled:
            return file
        with contextlib.suppress(OSError):
            return dataclasses.replace(file, hash=hashes.sha256(file.path)[:12])
        return file

    def _file(self, path: Path, member: str) -> EmbeddingFile | None:
        """None where the file has just gone."""
        try:
            now = stamp(path)
        except OSError:
            return None
        with self._lock:
            found = self._known.get((path, member))
            if found is None or found.stamp != now:
                found = dataclasses.replace(_look(path, member, self._allow_pickle), stamp=now)
                self._known[path, member] = found
            return found


def _look(path: Path, member: str, allow_pickle: bool) -> EmbeddingFile:
    name = member or path.stem
    try:
        data = open_data(path, member=member, allow_pickle=allow_pickle)
        parts = vector_parts(data.shapes)
    except ModelError as error:
        return EmbeddingFile(name=name, path=path, member=member, broken=str(error))
    about, shapes = data.about, {part: data.shapes[one] for part, one in parts.items()}
    told = str(about.get("name") or "").strip()
    return EmbeddingFile(
        name=told if told and path.suffix.lower() in PICTURES else name,
        path=path,
        member=member,
        vectors=vector_count(next(iter(shapes.values()))),
        widths=tuple((part, shape[-1]) for part, shape in shapes.items()),
        step=_whole(about.get("step", about.get("ss_steps"))),
        checkpoint=_word(about.get("sd_checkpoint")),
        checkpoint_name=_word(about.get("sd_checkpoint_name")),
    )


@lru_cache(maxsize=64)
def read_vectors(file: EmbeddingFile) -> Mapping[str, Tensor]:
    """The vectors of each part, [n, width]. Only for files of EmbeddingFiles, which has seen what may be opened."""
    data = open_data(file.path, member=file.member, allow_pickle=True)
    found = {part: data.read(name) for part, name in vector_parts(data.shapes).items()}
    return {part: one[None] if one.ndim == 1 else one for part, one in found.items()}


def part_of(recipe: TextEncoderRecipe, family: Family) -> str:
    """Which part of an embedding a text encoder reads."""
    if recipe.subfolder == "text_encoder_2":
        return "clip_g"
    return "clip_l" if len(family.text.encoders) > 1 else ""


def family_widths(family: Family) -> Widths:
    return tuple((part_of(one, family), one.width) for one in family.text.encoders)


def model_widths(checkpoint: ModelFile) -> Widths:
    """The widths of a checkpoint's text encoders, as a folder's configs say, else as its family has them."""
    if checkpoint.family not in families:
        return ()
    family = families.get(checkpoint.family)
    widths = dict(family_widths(family))
    for one in family.text.encoders if checkpoint.path.is_dir() else ():
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            told = json.loads((checkpoint.path / one.subfolder / "config.json").read_text("utf-8"))
            widths[part_of(one, family)] = int(told["hidden_size"])
    return tuple(widths.items())


def fitting(files: Iterable[EmbeddingFile], widths: Widths) -> dict[str, EmbeddingFile]:
    """By name, those that text encoders of these widths can read."""
    return {one.name: one for one in files if widths and one.fits(widths)}


def _whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
