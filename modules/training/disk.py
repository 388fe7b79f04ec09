"""A full disk is a pause, not an end: someone can make room while the run waits."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from safetensors import SafetensorError

from modules.core.errors import EaselError

log = logging.getLogger(__name__)

FULL = (errno.ENOSPC, errno.EDQUOT)
POLL_S = 1.0  # between two questions whether to stop
POLLS = 30  # between two tries

T = TypeVar("T")


def when_there_is_room(write: Callable[[], T], stopping: Callable[[], bool]) -> T:
    """What `write` returns; while the disk is full it is tried again, until `stopping` says so (EaselError)."""
    while True:
        try:
            return write()
        except (OSError, SafetensorError) as error:
            if not _is_full(error):
                raise
            log.warning("The disk is full; the run waits for room. Free some space, or stop the run. (%s)", error)
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
