"""What was typed, per tab: kept in ui-state.json, whole or not at all."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modules.core.files import write_atomic

log = logging.getLogger(__name__)


class UiState:
    """Values by tab and control. Writes are gathered: at most one every `delay_s` seconds, and one at the end."""

    def __init__(self, path: Path, delay_s: float = 0.4) -> None:
        self._path = path
        self._delay_s = delay_s
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._values = self._read()

    def get(self, tab: str) -> dict[str, Any]:
        with self._lock:
            return dict(self._values.get(tab, {}))

    def put(self, tab: str, values: Mapping[str, Any]) -> None:
        with self._lock:
            self._values[tab] = whole(values)
            if self._timer is None:
                self._timer = threading.Timer(self._delay_s, self.flush)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Write now."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None
            raw = json.dumps(self._values, ensure_ascii=False, indent=1)
            try:
                write_atomic(self._path, raw)
            except OSError as error:
                log.warning("What was typed could not be kept in %s: %s", self._path, error)

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            found = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(found, dict):
            return {}
        return {tab: whole(values) for tab, values in found.items() if isinstance(values, dict)}


def whole(values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy in which half a character (a lone surrogate) is a "?": neither a file nor a page could hold it."""
    return json.loads(json.dumps(dict(values), ensure_ascii=False).encode("utf-8", "replace"))
