"""sha256 of model files, remembered by path, size and time of change, computed in the background."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from modules.core.errors import ModelError
from modules.core.files import write_atomic
from modules.processing.models.safetensors_header import read_header

BLOCK = 4 * 1024 * 1024  # bytes read at a time
WEIGHTS = (".safetensors", ".bin")
WITHOUT_HEADER = "weights:"  # before the path of a file of which the weights alone were hashed
log = logging.getLogger(__name__)


class HashCache:
    """Known hashes in `folder`/hashes.json. `enabled` False (--no-hashing) computes none."""

    def __init__(self, folder: Path, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self.version = 0  # grows with each new hash
        self._file = folder / "hashes.json"
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._known: dict[str, list[object]] = {}
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(self._file.read_text("utf-8"))
            if isinstance(found, dict):
                self._known = {key: one for key, one in found.items() if isinstance(one, list) and len(one) == 3}

    def known(self, path: Path, what: str = "") -> str | None:
        """The hash, if it was computed since the file last changed."""
        entry = self._known.get(what + str(path))
        if entry is None:
            return None
        try:
            return str(entry[2]) if entry[:2] == list(stamp(path)) else None
        except OSError:
            return None

    def known_weights(self, path: Path) -> str | None:
        """As known(), of weights_sha256()."""
        return self.known(path, WITHOUT_HEADER)

    def sha256(self, path: Path) -> str:
        """The hash of a file, or of a diffusers folder: the sha256 over its weight files' names and hashes."""
        return self.known(path) or self._keep(path, self._folder if path.is_dir() else self._digest)

    def weights_sha256(self, path: Path) -> str:
        """The hash of a file's weights, without its header: A1111's for networks."""
        return self.known_weights(path) or self._keep(path, self._weights, WITHOUT_HEADER)

    def _keep(self, path: Path, make: Callable[[Path], str], what: str = "") -> str:
        before = stamp(path)
        value = make(path)
        with self._lock:
            self._known[what + str(path)] = [*before, value]
            self.version += 1
            try:
                write_atomic(self._file, json.dumps(self._known))
            except OSError as error:
                log.warning("The hashes could not be stored: %s", error)
        return value

    def start(self, paths: Iterable[Path], networks: Iterable[Path] = ()) -> None:
        """Hash these files, one after the other, in a thread; of `networks` the weights alone."""
        self.stop()
        if not self.enabled:
            return
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._work, args=(list(paths), list(networks), self._stop), name="model-hashes", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the thread, within a block of the file it reads."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def wait(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _work(self, paths: list[Path], networks: list[Path], stop: threading.Event) -> None:
        works = [*((self.sha256, one) for one in paths), *((self.weights_sha256, one) for one in networks)]
        for make, path in works:
            if stop.is_set():
                return
            try:
                make(path)
            except InterruptedError:
                return
            except OSError as error:
                log.warning("%s could not be hashed: %s", path.name, error)

    def _digest(self, path: Path, start: int = 0) -> str:
        digest = hashlib.sha256()
        background = threading.current_thread() is self._thread
        with open(path, "rb") as file:
            file.seek(start)
            while block := file.read(BLOCK):
                if background and self._stop.is_set():
                    raise InterruptedError
                digest.update(block)
        return digest.hexdigest()

    def _weights(self, path: Path) -> str:
        start = 0
        with contextlib.suppress(ModelError):
            start = read_header(path).data_start
        return self._digest(path, start)

    def _folder(self, folder: Path) -> str:
        lines = [f"{one.relative_to(folder).as_posix()} {self._digest(one)}\n" for one in weight_files(folder)]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a diffusers folder's parts, sorted by name."""
    return sorted(one for one in folder.glob("*/*") if one.suffix.lower() in WEIGHTS)


def stamp(path: Path) -> tuple[int, int]:
    """Size in bytes and time of change in ns; of a folder, the sum and the latest over its weight files."""
    stats = [one.stat() for one in weight_files(path)] if path.is_dir() else [path.stat()]
    return sum(one.st_size for one in stats), max((one.st_mtime_ns for one in stats), default=0)


def hash8(path: Path) -> str:
    """The old short hash: sha256 of 64 KiB at 1 MiB, 8 digits. Different models may share it."""
    with open(path, "rb") as file:
        file.seek(0x100000)
        return hashlib.sha256(file.read(0x10000)).hexdigest()[:8]
