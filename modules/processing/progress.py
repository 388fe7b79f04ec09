"""What a running job tells, and what it can be told. No torch here: the page and the queue read this too."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Union

from PIL import Image


@dataclass(frozen=True, kw_only=True)
class Progress:
    """`fraction` of the whole job, 0 to 1. `image` and `batch` count from 0: the batch at work and its first picture.

    `stage`: load, encode, denoise, decode, save; of a training job prepare, train, wait (`text` says for what), with
    its last `metrics` by name.
    """

    fraction: float
    stage: str
    step: int = 0
    steps: int = 0
    image: int = 0
    images: int = 1
    batch: int = 0
    batches: int = 1
    eta_s: float | None = None
    text: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A small picture of the state of the latents: encoded bytes and their MIME type."""

    data: bytes
    mime: str = "image/jpeg"
    step: int = 0


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One finished picture on disk. `path` is absolute; `saved` is false for those kept with the job only."""

    path: str
    infotext: str
    seed: int
    variation_seed: int
    width: int
    height: int
    kind: str = "sample"  # sample | grid
    saved: bool = True

    def open(self) -> Image.Image:
        """RGB, whole in memory."""
        with Image.open(self.path) as image:
            return image.convert("RGB")


Event = Union[Progress, Preview, Picture]  # noqa: UP007 - evaluated at run time, also on Python 3.10
Report = Callable[[Event], None]
Check = Callable[[], None]  # called inside long work; may raise Interrupted


def no_report(event: Event) -> None:
    """For callers that do not watch."""


def no_check() -> None:
    """For callers that never stop."""


class Interrupted(Exception):
    """Raised inside a run by Control.check when it was told to stop at once."""


class Control:
    """Wishes to a running job, from any thread; the run asks between steps and between pictures."""

    def __init__(self) -> None:
        self._now = threading.Event()
        self._after = threading.Event()
        self._skip = threading.Event()

    def interrupt(self, *, now: bool = True) -> None:
        """Stop at the next step (`now`), or after the current batch."""
        (self._now if now else self._after).set()

    def skip(self) -> None:
        """Give up the current batch and go on with the next."""
        self._skip.set()

    def check(self) -> None:
        """Interrupted when the run was told to stop at once: called inside work that has no steps."""
        if self.interrupted:
            raise Interrupted

    @property
    def interrupted(self) -> bool:
        return self._now.is_set()

    @property
    def stopping(self) -> bool:
        return self._after.is_set() or self._now.is_set()

    @property
    def skipped(self) -> bool:
        return self._skip.is_set()

    def take_skip(self) -> bool:
        """True once after a skip: the next batch starts clean."""
        was = self._skip.is_set()
        self._skip.clear()
        return was
