"""A run's numbers: metrics.jsonl always, TensorBoard's event files where tensorboard is there, and the curves."""

from __future__ import annotations

import errno
import importlib.util
import json
import logging
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from modules.core.files import write_atomic
from modules.training.curves import draw_curves

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

log = logging.getLogger(__name__)


class Metrics:
    """Rows of a run that goes on from `start`: what an earlier try noted after it is dropped, so no curve doubles."""

    def __init__(self, folder: Path, start: int) -> None:
        self._folder, self._path = folder, folder / "metrics.jsonl"
        self._keep_until(start)
        self._board = _board(folder / "tensorboard", start)

    def note(self, step: int, row: Mapping[str, float]) -> None:
        finite = {name: value if math.isfinite(value) else None for name, value in row.items()}  # JSON knows no inf
        line = json.dumps({"step": step, "time": round(time.time(), 1), **finite}).encode() + b"\n"
        with open(self._path, "ab", buffering=0) as file:
            end = file.tell()
            if file.write(line) < len(line):  # the disk filled up within it
                file.truncate(end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        if self._board is not None:
            for name, value in row.items():
                self._board.add_scalar(name, value, step)
        log.info("%d  %s", step, "  ".join(f"{name} {value:.4g}" for name, value in row.items()))

    def draw(self) -> None:
        draw_curves(read_rows(self._path), self._folder / "loss.png")
        if self._board is not None:
            self._board.flush()

    def close(self) -> None:
        if self._board is not None:
            self._board.close()

    def _keep_until(self, start: int) -> None:
        if not self._path.is_file():
            return
        kept = [row for row in read_rows(self._path) if row["step"] <= start]
        write_atomic(self._path, "".join(json.dumps(row) + "\n" for row in kept))


def read_rows(path: Path) -> list[dict[str, float]]:
    """The rows of a metrics.jsonl; a line that a killed run left half written is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            log.warning("%s has half a line, which is left out", path.name)
    return rows


def _board(folder: Path, start: int) -> SummaryWriter | None:
    if importlib.util.find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=start + 1)
