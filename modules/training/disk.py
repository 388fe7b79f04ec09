"""A full disk is a pause, not an end: someone can make room while the run waits."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from safetensors import SafetensorError

from modules.core.errors import EaselError

OnWait = Callable[[str], None]

log = logging.getLogger(__name__)

FULL = (errno.ENOSPC, errno.EDQUOT)
POLL_S = 1.0  # between two questions whether to stop
POLLS = 30  # between two tries
MESSAGE = "The disk is full; the run waits for room. Free some space, or stop the run."

T = TypeVar("T")


def when_there_is_room(write: Callable[[], T], stopping: Callable[[], bool], on_wait: OnWait | None = None) -> T:
    """What `write` returns; while the disk is full it is tried again, until `stopping` says so (EaselError).

    `on_wait` gets the reason before each wait, and "" when it is over.
    """
    waited = False
    while True:
        try:
            result = write()
            if waited and on_wait is not None:
                on_wait("")
            return result
        except (OSError, SafetensorError) as error:
            if not _is_full(error):
                raise
            log.warning("%s (%s)", MESSAGE, error)
            waited = True
            if on_wait is not None:
                on_wait(MESSAGE)
            if any(_stop_after_a_while(stopping) for _ in range(POLLS)):
                raise EaselError(
                    "The run was stopped while the disk was full.",
                    hint="The state saved before is whole; free some space and start the run again.",
                ) from error


def _stop_after_a_while(stopping: Callable[[], bool]) -> bool:
    time.sleep(POLL_S)
    return stopping()


def _is_full(error: OSError | SafetensorError) -> bool:
    if isinstance(error, OSError):
        return error.errno in FULL
    return any(f"(os error {number})" in str(error) for number in FULL)  # it keeps the system's number only as text
