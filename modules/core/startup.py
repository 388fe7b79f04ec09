"""How long each part of the start took, for --log-startup."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class StartupLog:
    """`done(part)` after each part logs the seconds since the one before, and since the start. Silent unless told."""

    def __init__(self, *, told: bool, clock: Callable[[], float] = time.perf_counter) -> None:
        self._told = told
        self._clock = clock
        self._begun = self._last = clock()

    def done(self, part: str) -> None:
        now = self._clock()
        if self._told:
            log.info("Start-up: %s %.2f s, %.2f s in all", part, now - self._last, now - self._begun)
        self._last = now
