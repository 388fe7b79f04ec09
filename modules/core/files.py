"""Files that are whole or not there: written beside, synced, renamed; and paths that stay in their folder."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from modules.core.errors import UserError


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write `data` to `path` so that a crash leaves the old file or the new one, never half of one."""
    raw = data.encode("utf-8") if isinstance(data, str) else data
    with whole_file(path) as file:
        file.write(raw)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """As write_atomic, for what is written part by part: a file beside `path` that takes its place at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(beside, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, where the system can do that."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def inside(root: Path, name: str | Path) -> Path:
    """The real path of `name` below `root`; UserError when it leads outside, by `..`, by a link or by a drive."""
    base = root.resolve()
    target = (base / name).resolve()
    if target != base and base not in target.parents:
        raise UserError(f"{str(name)!r} is outside of its folder.", hint="Use a path inside it.")
    return target
