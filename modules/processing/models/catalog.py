"""The model files there are, by title, name, stem and hash. Reads headers only, and each of them once."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import json
import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modules.core.errors import ModelError, NotFoundError, UserError
from modules.core.files import write_atomic
from modules.core.paths import Paths
from modules.core.settings import Setting, Settings, define, setting_registry
from modules.processing.models.detect import detect, folder_family, prediction_beside
from modules.processing.models.file_kinds import PICKLE, PICKLES
from modules.processing.models.hashes import HashCache, hash8, stamp
from modules.processing.models.safetensors_header import read_header

CHECKPOINT = define(Setting("sd_model_checkpoint", "", "Checkpoint", section="Stable Diffusion"))
DEFAULT_FOLDER = "easel-mini"
PICTURES = (".png", ".webp", ".avif")  # in which embeddings may be hidden
CACHE_VERSION = 1
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A file or diffusers folder. `name` is its path below its models folder, with "/"; `broken` says what is wrong."""

    kind: str  # "checkpoint", "vae", "embedding"
    path: Path
    name: str
    family: str = ""
    variant: str = ""
    prediction: str = ""
    zero_snr: bool = False
    sha256: str | None = None
    size: int = 0
    mtime: int = 0  # ns
    broken: str = ""

    @property
    def stem(self) -> str:
        return self.path.name if self.path.suffix.lower() not in (".safetensors", *PICKLES) else self.path.stem

    @property
    def short_hash(self) -> str | None:
        return self.sha256[:10] if self.sha256 else None

    @property
    def title(self) -> str:
        return f"{self.name} [{self.short_hash}]" if self.sha256 else self.name


class ModelCatalog:
    """Lists of model files, made at the first question and by refresh()."""

    def __init__(self, paths: Paths, hashes: HashCache) -> None:
        self.paths = paths
        self.hashes = hashes
        self._lock = threading.RLock()
        self._files: dict[str, list[ModelFile]] | None = None
        self._hash_version = -1
        self._missed: set[str] = set()  # names that default() has warned of

    def refresh(self) -> None:
        """Look at the folders again; files that did not change are not opened."""
        with self._lock:
            store = self.paths.cache / "models.json"
            known = _read_cache(store)
            seen: dict[str, dict[str, Any]] = {}
            folders = {"checkpoint": self.paths.checkpoints, "vae": self.paths.vaes, "embedding": self.paths.embeddings}
            files = {kind: self._scan(kind, roots, known, seen) for kind, roots in folders.items()}
            chosen = self.paths.vae_for_all
            if chosen is not None and chosen.exists() and chosen not in [one.path for one in files["vae"]]:
                files["vae"].append(self._one("vae", chosen, chosen.parent, known, seen))
            self._files = files
            self._hash_version = -1
            if seen != known:
                try:
                    write_atomic(store, json.dumps({"version": CACHE_VERSION, "files": seen}))
                except OSError as error:
                    log.warning("The list of models could not be stored: %s", error)

    def checkpoints(self) -> list[ModelFile]:
        return self._list("checkpoint")

    def vaes(self) -> list[ModelFile]:
        return self._list("vae")

    def embeddings(self) -> list[ModelFile]:
        return self._list("embedding")

    def find_checkpoint(self, name: str) -> ModelFile:
        """By title, name, stem, hash (8, 10 or all digits) or a part of the title; NotFoundError suggests."""
        return _find(name, self.checkpoints(), "checkpoint")

    def find_vae(self, name: str) -> ModelFile:
        """As find_checkpoint, among the VAE files."""
        return _find(name, self.vaes(), "vae")

    def vae_for_all(self) -> ModelFile | None:
        """The VAE that --vae-path names; ModelError when it has gone since the start."""
        chosen = self.paths.vae_for_all
        if chosen is None:
            return None
        found = next((one for one in self.vaes() if one.path == chosen), None)
        if found is None:
            raise ModelError(f"{chosen.name}, the VAE of --vae-path, is gone.", hint="Put it back, or start without.")
        return found

    def default(self, settings: Settings) -> ModelFile:
        """The checkpoint of the setting, else the first usable one that is not the embedded model, else that."""
        found, missed = self.default_and_missed(settings)
        if missed and missed.message not in self._missed:  # once: the page asks every second
            self._missed.add(missed.message)
            log.warning("%s %s is used instead.", missed, found.title)
        return found

    def default_and_missed(self, settings: Settings) -> tuple[ModelFile, NotFoundError | None]:
        """As default(), with why it is not the setting's checkpoint; None where it is, or where none was chosen."""
        wish, missed = settings[CHECKPOINT], None
        if wish:
            try:
                return self.find_checkpoint(wish), None
            except NotFoundError as error:
                missed = error
        usable = [one for one in self.checkpoints() if not one.broken]
        own = [one for one in usable if one.stem != DEFAULT_FOLDER]
        if not usable:
            raise NotFoundError(
                "There is no checkpoint.", hint=f"Put one into {self.paths.checkpoints[0]}.", field="checkpoint"
            )
        return (own or usable)[0], missed

    def hash_now(self, file: ModelFile) -> str:
        """The sha256 of a file, computed if need be."""
        return self.hashes.sha256(file.path)

    def unhashed(self) -> list[Path]:
        """The checkpoints and VAEs whose hash is not known."""
        files = [*self.checkpoints(), *self.vaes()]
        return [one.path for one in files if one.sha256 is None and not one.broken]

    def _list(self, kind: str) -> list[ModelFile]:
        with self._lock:
            if self._files is None:
                self.refresh()
            assert self._files is not None
            if self._hash_version != self.hashes.version:
                self._hash_version = self.hashes.version
                for one, files in self._files.items():
                    self._files[one] = [dataclasses.replace(x, sha256=self.hashes.known(x.path)) for x in files]
            return list(self._files[kind])

    def _scan(
        self, kind: str, roots: list[Path], known: dict[str, dict[str, Any]], seen: dict[str, dict[str, Any]]
    ) -> list[ModelFile]:
        found: dict[Path, ModelFile] = {}
        for root in roots:
            for path in _walk(root, kind):
                if path in found:
                    continue
                with contextlib.suppress(OSError):
                    found[path] = self._one(kind, path, root, known, seen)
        return sorted(found.values(), key=lambda one: one.name.casefold())

    def _one(
        self, kind: str, path: Path, root: Path, known: dict[str, dict[str, Any]], seen: dict[str, dict[str, Any]]
    ) -> ModelFile:
        size, mtime = stamp(path)
        key = f"{kind}:{path}"
        facts = known.get(key)
        if facts is None or facts.get("stamp") != [size, mtime]:
            facts = {"stamp": [size, mtime], **_facts(kind, path)}
        seen[key] = facts
        told = {name: one for name, one in facts.items() if name != "stamp"}
        if kind == "checkpoint" and (beside := prediction_beside(path)):
            told["prediction"] = beside
        name = path.relative_to(root).as_posix()
        return ModelFile(kind=kind, path=path, name=name, size=size, mtime=mtime, **told)


def check_choice(catalog: ModelCatalog, changes: Mapping[str, object]) -> None:
    """UserError when changes of settings choose a checkpoint that there is not; empty leaves it to default()."""
    for key, wish in changes.items():
        if setting_registry.canonical(key) == CHECKPOINT.key and (name := CHECKPOINT.check(wish)):
            try:
                catalog.find_checkpoint(name)
            except NotFoundError as error:
                raise UserError(error.message, hint=error.hint, field=CHECKPOINT.key) from error


def model_notes(file: ModelFile) -> dict[str, Any]:
    """easel.json in a diffusers folder, or <stem>.json beside a file: native_size, examples, description, vae, ..."""
    beside = file.path / "easel.json" if file.path.is_dir() else file.path.with_suffix(".json")
    try:
        found = json.loads(beside.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _walk(root: Path, kind: str) -> Iterator[Path]:
    """Model files and diffusers folders below `root`; links to folders are followed once."""
    visited: set[str] = set()
    marker = "model_index.json" if kind == "checkpoint" else "config.json"
    suffixes = (".safetensors", *(PICKLES[:1] if kind == "checkpoint" else PICKLES))
    suffixes += PICTURES if kind == "embedding" else ()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        here = Path(folder)
        if marker in files and here != root and kind != "embedding":
            folders.clear()
            yield here
            continue
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        vae = kind == "checkpoint"
        for name in files:
            low = name.lower()
            if low.endswith(suffixes) and not name.startswith(".") and not (vae and ".vae." in low):
                yield here / name


def _facts(kind: str, path: Path) -> dict[str, Any]:
    try:
        if path.is_dir():
            return _folder_facts(path) if kind == "checkpoint" else {}
        if path.suffix.lower() in PICKLES:
            return {"broken": PICKLE} if kind == "checkpoint" else {}
        if path.suffix.lower() in PICTURES:
            return {}
        told = detect(read_header(path))
    except ModelError as error:
        return {"broken": str(error)}
    if kind != "checkpoint":
        return {}
    complaint = told.complaint()
    if complaint:
        return {"broken": complaint}
    return {
        "family": told.family,
        "variant": told.variant,
        "prediction": told.prediction,
        "zero_snr": told.zero_snr,
    }


def _folder_facts(folder: Path) -> dict[str, Any]:
    def read(name: str, *, needed: bool = True) -> dict[str, Any]:
        try:
            found = json.loads((folder / name).read_text("utf-8"))
            if not isinstance(found, dict):
                raise ValueError("not a JSON object")
            return found
        except (OSError, ValueError) as error:
            if not needed:
                return {}
            raise ModelError(f"{folder.name}: {name} is missing or damaged.") from error

    index, unet = read("model_index.json"), read("unet/config.json")
    for part in ("unet", "vae"):
        weights = list((folder / part).glob("*.safetensors"))
        if not weights:
            raise ModelError(f"{folder.name}: {part} has no .safetensors weights.")
        for one in weights:
            read_header(one)
    family, variant = folder_family(index, unet)
    scheduler = read("scheduler/scheduler_config.json", needed=False)
    return {
        "family": family,
        "variant": variant,
        "prediction": str(scheduler.get("prediction_type", "epsilon")),
        "zero_snr": bool(scheduler.get("rescale_betas_zero_snr", False)),
    }


def _find(wish: str, files: list[ModelFile], field: str) -> ModelFile:
    plain = wish.strip().casefold()
    bare = re.sub(r"\s*\[[0-9a-f]{8,64}\]$", "", plain)
    for word in dict.fromkeys((plain, bare)):
        for key in (lambda one: one.title, lambda one: one.name, lambda one: one.path.name, lambda one: one.stem):
            for one in files:
                if key(one).casefold() == word:
                    return one
    digits = re.search(r"(?:^|\[)([0-9a-f]{8,64})\]?$", plain)
    if digits:
        for one in files:
            if one.sha256 and one.sha256.startswith(digits[1]):
                return one
        for one in files if len(digits[1]) == 8 else []:
            with contextlib.suppress(OSError):
                if one.path.is_file() and hash8(one.path) == digits[1]:
                    return one
    parts = [one for one in files if bare and bare in one.title.casefold()]
    if parts:
        return min(parts, key=lambda one: len(one.title))
    names = {one.stem.casefold(): one.title for one in files}
    close = difflib.get_close_matches(bare, names, n=3, cutoff=0.5)
    near = ", ".join(names[one] for one in close) or ", ".join(one.title for one in files[:5])
    hint = f"Did you mean {near}?" if close else (f"There are: {near}." if near else "There are none.")
    raise NotFoundError(f"There is no {field} {wish!r}.", hint=hint, field=field)


def _read_cache(store: Path) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(store.read_text("utf-8"))
        if found["version"] == CACHE_VERSION and isinstance(found["files"], dict):
            return found["files"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return {}
