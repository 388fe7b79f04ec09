"""The most memory used while something runs: the device's own count on CUDA, sampled resident memory on a CPU."""

from __future__ import annotations

import threading
from types import TracebackType

import psutil
import torch


class PeakMemory:
    """`with PeakMemory() as peak: ...; peak.bytes`."""

    def __init__(self, interval_s: float = 0.1) -> None:
        self.bytes = 0
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._process = psutil.Process()
        self._thread = threading.Thread(target=self._watch, name="peak-memory", daemon=True)

    def __enter__(self) -> PeakMemory:
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        else:
            self.bytes = self._process.memory_info().rss
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if torch.cuda.is_available():
            self.bytes = torch.cuda.max_memory_allocated()
            return
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self._interval_s):
            self.bytes = max(self.bytes, self._process.memory_info().rss)
