"""The extra-networks browser's model: what there is of checkpoints, LoRA and embeddings, and what is known of each."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modules.core.errors import ModelError, NotFoundError
from modules.processing.models.catalog import PICTURES
from modules.processing.models.families import families
from modules.processing.models.safetensors_header import read_header
from modules.processing.models.sidecar import Sidecar, preview_of, read_sidecar

if TYPE_CHECKING:
    from modules.gradio_ui.services import UiServices

TAGS = "ss_tag_frequency"  # kohya's: {folder: {tag: count}} in JSON
TRIGGER = "modelspec.trigger_phrase"
THUMBNAIL = "modelspec.thumbnail"  # a data URI
VERSIONS = {"SD1": "sd1", "SD2": "sd2", "SDXL": "sdxl"}  # what a person says of a file, in A1111's words
MOST_TAGS = 60
MOST_METADATA = 100_000  # characters of one value that are shown


@dataclass(frozen=True, kw_only=True)
class Card:
    """One model file. key: its path below its folder, by which the page names it; insert: its name in a prompt.

    facts: what else is shown of it, by keys of the page's texts. broken: why it cannot be used.
    """

    page: str
    key: str
    name: str
    path: Path
    insert: str
    created: float
    modified: float
    family: str = ""
    notes: Sidecar = field(default_factory=Sidecar)
    preview: Path | None = None
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    facts: Mapping[str, str] = field(default_factory=dict)
    broken: str = ""

    @property
    def folder(self) -> str:
        return self.key.rpartition("/")[0]

    @property
    def pictured(self) -> bool:
        return self.preview is not None or THUMBNAIL in self.metadata

    @property
    def words(self) -> list[str]:
        """What makes it speak: its activation text part by part, its trigger phrase, the tags it was trained on."""
        told = f"{self.notes.activation_text},{self.metadata.get(TRIGGER, '')}".split(",")
        found = dict.fromkeys((*(one.strip() for one in told), *_tags(self.metadata.get(TAGS, ""))))
        return [one for one in found if one][:MOST_TAGS]

    def to_json(self) -> dict[str, Any]:
        """All of it, for the dialog."""
        label = families.get(self.family).label if self.family in families else ""
        facts = {"file": self.key, "family": label, **self.facts}
        return {
            "page": self.page,
            "key": self.key,
            "name": self.name,
            "facts": {name: value for name, value in facts.items() if value},
            "notes": asdict(self.notes),
            "words": self.words,
            "metadata": {name: _shown(value) for name, value in self.metadata.items()},
            "broken": self.broken,
        }


class CardShelf:
    """The cards of each page, looked up anew when the page asks for its list."""

    def __init__(self, services: UiServices) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._pages: dict[str, dict[str, Card]] = {}

    def list(self, page: str, *, refresh: bool = False) -> list[Card]:
        """All cards of a page, by path. NotFoundError for a page that there is not."""
        page = page.replace(" ", "_")
        if page not in PAGES:
            raise NotFoundError(f"There is no page {page!r}.", hint=f"There are: {', '.join(PAGES)}.")
        with self._lock:
            found = sorted(PAGES[page](self._services, refresh), key=lambda one: one.key.casefold())
            self._pages[page] = {one.key: one for one in reversed(found)}
        return found

    def known(self, page: str) -> list[Card]:
        """The cards as last looked up."""
        return [*self._pages[page].values()] if page in self._pages else self.list(page)

    def find(self, page: str, name: str) -> Card:
        """By key or by name."""
        for fresh in (False, True):
            page = page.replace(" ", "_")
            cards = self._pages.get(page)
            if fresh or cards is None:
                self.list(page)
                cards = self._pages[page]
            found = cards.get(name) or next((one for one in cards.values() if one.name == name), None)
            if found is not None:
                return found
        raise NotFoundError(f"There is no card {name!r}.", hint="Refresh the list.")


def _checkpoints(services: UiServices, refresh: bool) -> Iterable[Card]:
    catalog = services.engine.catalog
    if refresh:
        catalog.refresh()
    beside = _Neighbours()
    for one in catalog.checkpoints():
        facts = {"hash": one.short_hash or "", "variant": one.variant, "prediction": one.prediction}
        with contextlib.suppress(OSError):
            yield beside.card(
                "checkpoints", one.path, one.name, one.title, family=one.family, facts=facts, broken=one.broken
            )


def _loras(services: UiServices, refresh: bool) -> Iterable[Card]:
    networks = services.engine.networks
    if refresh:
        networks.refresh()
    beside, files = _Neighbours(), networks.files()
    names = Counter(one.name for one in files)
    for one in files:
        key = one.path.relative_to(one.folder).as_posix()
        facts = {"kind": one.kind, "rank": str(one.rank or ""), "base": one.base, "hash": one.short_hash}
        facts |= {"alias": one.alias if one.alias != one.name else ""}
        insert = one.name if names[one.name] == 1 else key.rpartition(".")[0]
        with contextlib.suppress(OSError):
            yield beside.card(
                "lora", one.path, key, insert, family=one.family, metadata=one.metadata, facts=facts, broken=one.broken
            )


def _embeddings(services: UiServices, refresh: bool) -> Iterable[Card]:
    embeddings, roots = services.engine.embeddings, services.paths.embeddings
    if refresh:
        embeddings.refresh()
    beside = _Neighbours()
    for one in embeddings.files():
        root = next((root for root in roots if root in one.path.parents), one.path.parent)
        facts = {"vectors": str(one.vectors or ""), "step": str(one.step or ""), "base": one.checkpoint_name or ""}
        key = one.path.relative_to(root).as_posix()
        with contextlib.suppress(OSError):
            yield beside.card(
                "textual_inversion", one.path, key, one.name, family=one.family, facts=facts, broken=one.broken
            )


PAGES: Mapping[str, Callable[[UiServices, bool], Iterable[Card]]] = {
    "textual_inversion": _embeddings,
    "checkpoints": _checkpoints,
    "lora": _loras,
}  # in A1111's order and under its names


class _Neighbours:
    """Cards with what lies beside their files; each folder is listed once."""

    def __init__(self) -> None:
        self._names: dict[Path, frozenset[str]] = {}

    def card(self, page: str, path: Path, key: str, insert: str, *, facts: Mapping[str, str], **about: Any) -> Card:
        stat = path.stat()
        if path.parent not in self._names:
            self._names[path.parent] = frozenset(one.name for one in path.parent.iterdir())
        names = self._names[path.parent]
        notes = read_sidecar(path, names)
        about["family"] = "" if notes.sd_version == "Unknown" else VERSIONS.get(notes.sd_version, about["family"])
        about.setdefault("metadata", _metadata(path, stat.st_size, stat.st_mtime_ns))
        return Card(
            page=page,
            key=key,
            name=insert if page == "textual_inversion" else path.name if path.is_dir() else path.stem,
            path=path,
            insert=insert,
            created=stat.st_ctime,
            modified=stat.st_mtime,
            notes=notes,
            preview=path if path.suffix.lower() in PICTURES else preview_of(path, names),
            facts={**facts, "size": "" if path.is_dir() else _size(stat.st_size)},
            **about,
        )


@lru_cache(maxsize=4096)
def _metadata(path: Path, size: int, changed: int) -> Mapping[str, str]:
    """What a safetensors file says of itself; kept while it does not change."""
    if path.suffix.lower() != ".safetensors":
        return {}
    try:
        return read_header(path).metadata
    except ModelError:
        return {}


def _tags(raw: str) -> list[str]:
    """The most frequent first; empty where the metadata is damaged."""
    found: Counter[str] = Counter()
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        for tags in json.loads(raw or "{}").values():
            for tag, count in tags.items():
                found[str(tag).strip()] += int(count)
    return [tag for tag, _ in found.most_common(MOST_TAGS)]


def _shown(value: str) -> str:
    return value if len(value) <= MOST_METADATA and not value.startswith("data:") else f"{value[:60]} ..."


def _size(size: int) -> str:
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024  # type: ignore[assignment]
    return f"{size:.3g} GB"
