"""The network files there are, found by name, alias and hash. Reads headers only, without torch."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modules.core.errors import ModelError, NotFoundError
from modules.core.paths import Paths
from modules.processing.models.file_kinds import PICKLE
from modules.processing.models.hashes import HashCache
from modules.processing.models.safetensors_header import Header, read_header
from modules.processing.networks.family import family_of
from modules.processing.networks.keys import take_apart
from modules.processing.networks.kinds import kind_of

SUFFIXES = (".safetensors", ".pt", ".ckpt", ".bin")
SHORT = 12  # digits of a network's hash that are shown


@dataclass(frozen=True, kw_only=True)
class NetworkFile:
    """One file. `name` is its stem, `alias` what its maker called it; `kind`, `rank`, `family` as its tensors say.

    base: the model it was trained on, as its metadata says. rank: the most frequent one, 0 for kinds without.
    digest: sha256 of its weights, "" while unknown. broken: why it cannot be used.
    """

    path: Path
    name: str
    alias: str
    folder: Path
    family: str = ""
    base: str = ""
    rank: int = 0
    kind: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False, hash=False)
    digest: str = ""
    size: int = 0
    mtime: int = 0  # ns
    broken: str = ""

    @property
    def short_hash(self) -> str:
        return self.digest[:SHORT]


class NetworkFiles:
    """The list of network files, made at the first question and by refresh()."""

    def __init__(self, paths: Paths, hashes: HashCache, *, allow_pickle: bool = False) -> None:
        self.paths = paths
        self._hashes = hashes
        self._allow_pickle = allow_pickle
        self._lock = threading.RLock()
        self._files: list[NetworkFile] | None = None
        self._known: dict[Path, NetworkFile] = {}
        self._hash_version = -1

    def files(self) -> list[NetworkFile]:
        """All of them, by name."""
        with self._lock:
            if self._files is None:
                self.refresh()
            assert self._files is not None
            if self._hash_version != self._hashes.version:
                self._hash_version = self._hashes.version
                self._files = [self._with_digest(one) for one in self._files]
            return list(self._files)

    def refresh(self) -> None:
        """Look at the folders again; files that did not change are not opened."""
        with self._lock:
            found: dict[Path, NetworkFile] = {}
            for root in self.paths.networks:
                for path in _walk(root):
                    with contextlib.suppress(OSError):
                        found.setdefault(path, self._one(path, root))
            self._known = found
            self._hash_version = -1
            self._files = sorted(found.values(), key=lambda one: (one.name.casefold(), str(one.path)))

    def find(self, name: str) -> NetworkFile:
        """By stem, path below its folder, alias or hash; looks again before it says that there is none."""
        wish = name.strip().casefold()
        for fresh in (False, True):
            if fresh:
                self.refresh()
            if found := _match(wish, self.files()):
                return found
        known = {word.casefold(): one.name for one in self.files() for word in (one.alias, one.name)}
        close = difflib.get_close_matches(wish, known, n=3, cutoff=0.5)
        near = ", ".join(dict.fromkeys(known[one] for one in close))
        some = ", ".join(one.name for one in self.files()[:5])
        hint = f"Did you mean {near}?" if near else f"There are: {some}." if some else self._where()
        raise NotFoundError(f"There is no network {name!r}.", hint=hint, field="prompt")

    def with_hash(self, digits: str) -> NetworkFile | None:
        """The file whose hash begins so, among those whose hash is known."""
        return next((one for one in self.files() if one.digest.startswith(digits.casefold())), None)

    def hashed(self, file: NetworkFile) -> NetworkFile:
        """The same with its hash, computed if need be: sha256 of what comes after the header, as in A1111."""
        if file.digest or not self._hashes.enabled:
            return file
        return dataclasses.replace(file, digest=self._hashes.weights_sha256(file.path))

    def unhashed(self) -> list[Path]:
        """The files whose hash is not known."""
        return [one.path for one in self.files() if not one.digest and not one.broken]

    def _where(self) -> str:
        return f"Put the file into {self.paths.networks[0]}."

    def _one(self, path: Path, folder: Path) -> NetworkFile:
        stat = path.stat()
        known = self._known.get(path)
        if known and (known.size, known.mtime) == (stat.st_size, stat.st_mtime_ns):
            return known
        bare = NetworkFile(
            path=path, name=path.stem, alias=path.stem, folder=folder, size=stat.st_size, mtime=stat.st_mtime_ns
        )
        if path.suffix.lower() != ".safetensors":
            return dataclasses.replace(bare, broken="" if self._allow_pickle else PICKLE)
        try:
            return _describe(bare, read_header(path))
        except ModelError as error:
            return dataclasses.replace(bare, broken=str(error))

    def _with_digest(self, file: NetworkFile) -> NetworkFile:
        known = None if file.digest else self._hashes.known_weights(file.path)
        return dataclasses.replace(file, digest=known) if known else file


def _describe(file: NetworkFile, header: Header) -> NetworkFile:
    keys, told = take_apart(header.tensors), header.metadata
    ranks: Counter[int] = Counter()
    names: Counter[str] = Counter()
    for group in keys.modules.values():
        sizes = {name: header.tensors[key].shape for name, key in group.items()}
        kind = kind_of(sizes)
        if kind is not None:
            with contextlib.suppress(LookupError):  # a damaged group; told when it is used
                ranks[kind.rank(sizes)] += 1
                names["DoRA" if kind.name == "LoRA" and {"magnitude", "dora_scale"} & set(sizes) else kind.name] += 1
    kind = names.most_common(1)[0][0] if names else "embeddings" if keys.bundled else ""
    return dataclasses.replace(
        file,
        alias=told.get("ss_output_name") or file.name,
        family=family_of(header, keys.modules),
        base=told.get("ss_sd_model_name")
        or told.get("modelspec.architecture")
        or told.get("ss_base_model_version", ""),
        rank=ranks.most_common(1)[0][0] if ranks else 0,
        kind=kind,
        metadata=told,
        digest=_digest(told.get("sshs_model_hash", "")),
        broken="" if kind else "This is no network: no tensor has a name that networks use.",
    )


def _digest(told: str) -> str:
    plain = told.removeprefix("0x").casefold()
    return plain if re.fullmatch(r"[0-9a-f]{64}", plain) else ""


def _match(wish: str, files: list[NetworkFile]) -> NetworkFile | None:
    below = re.sub(r"\.(safetensors|pt|ckpt|bin)$", "", wish)
    for word in (wish, below):
        for key in (lambda one: one.name, _below, lambda one: one.alias):
            found = [one for one in files if key(one).casefold() == word]
            if found:
                return next((one for one in found if not one.broken), found[0])
    if re.fullmatch(r"[0-9a-f]{8,64}", wish):
        return next((one for one in files if one.digest.startswith(wish)), None)
    return None


def _below(file: NetworkFile) -> str:
    return file.path.relative_to(file.folder).with_suffix("").as_posix()


def _walk(root: Path) -> Iterator[Path]:
    """Network files below `root`; links to folders are followed once."""
    visited: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield Path(folder) / name
