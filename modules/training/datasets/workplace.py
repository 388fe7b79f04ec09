"""Changing a dataset without fear: what a tool replaces or removes is kept, and can be brought back.

Originals go to .backup/TIME/ in the dataset, which no reader of datasets looks into; made.json there names the new
files. Nothing outside of the dataset is ever written.
"""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timezone
from pathlib import Path

from modules.core.errors import UserError
from modules.core.files import inside, write_atomic

BACKUP, MADE = ".backup", "made.json"


class Workplace:
    """One use of one tool: its `replace` and `remove` first keep what was there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.changed: list[str] = []
        self.made: list[str] = []
        self.removed: list[str] = []
        stamp = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S-%f")
        self._backup = folder / BACKUP / stamp

    def replace(self, path: Path, data: bytes) -> None:
        """Write a file of the dataset, new or not."""
        name = self._name(path)
        if path.exists():
            self._keep(path, name)
            self.changed.append(name)
        else:
            self.made.append(name)
            write_atomic(self._backup / MADE, json.dumps(self.made))
        write_atomic(path, data)

    def remove(self, path: Path) -> None:
        name = self._name(path)
        self._keep(path, name)
        path.unlink()
        self.removed.append(name)

    def _keep(self, path: Path, name: str) -> None:
        kept = self._backup / name
        if not kept.exists() and name not in self.made:  # as it was before this tool
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, kept)

    def _name(self, path: Path) -> str:
        inside(self.folder, path)
        return path.relative_to(self.folder).as_posix()


def backups(folder: Path) -> list[str]:
    """Those that can be brought back, the newest last."""
    kept = folder / BACKUP
    return sorted(one.name for one in kept.iterdir() if one.is_dir()) if kept.is_dir() else []


def undo(folder: Path) -> list[str]:
    """Bring back what the last tool changed. Returns the names of the files that are again as they were."""
    found = backups(folder)
    if not found:
        raise UserError("Nothing was changed in this dataset that could be undone.", field="name")
    backup = folder / BACKUP / found[-1]
    made: list[str] = json.loads((backup / MADE).read_text("utf-8")) if (backup / MADE).is_file() else []
    for name in made:
        inside(folder, name).unlink(missing_ok=True)
    kept = [path for path in sorted(backup.rglob("*")) if path.is_file() and path != backup / MADE]
    for path in kept:
        target = inside(folder, path.relative_to(backup))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    shutil.rmtree(backup)
    return sorted({*made, *(path.relative_to(backup).as_posix() for path in kept)})
