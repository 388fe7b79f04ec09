"""One job: what was asked, where it stands, what came of it. Values only; the queue makes new ones."""

from __future__ import annotations

import logging
import os
import re
import secrets
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import Any

from modules.core.errors import EaselError, UserError

log = logging.getLogger(__name__)
DETAILS_LIMIT = 20_000  # characters of a trace that a job keeps


class QueueFullError(EaselError):
    """As many jobs wait as may wait: HTTP 503."""


class StoppingError(EaselError):
    """The server ends before the answer is there: HTTP 503."""


class JobState(str, Enum):
    queued = "queued"
    running = "running"
    done = "done"
    failed = "failed"
    cancelled = "cancelled"  # taken back before or while it ran
    interrupted = "interrupted"  # stopped while it ran; its pictures so far are kept

    def __str__(self) -> str:
        return self.value

    @property
    def terminal(self) -> bool:
        return self not in (JobState.queued, JobState.running)


TERMINAL = tuple(state for state in JobState if state.terminal)


@dataclass(frozen=True)
class JobError(Mapping[str, str]):
    """Why a job failed. Also a mapping of its fields, which is how it travels as JSON."""

    message: str
    hint: str = ""
    field: str = ""  # the part of the request at fault
    stage: str = ""  # load, encode, denoise, decode, save
    details: str = ""  # the trace, for errors that nobody foresaw

    def __getitem__(self, name: str) -> str:
        if name not in _ERROR_FIELDS:
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(_ERROR_FIELDS)

    def __len__(self) -> int:
        return len(_ERROR_FIELDS)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


_ERROR_FIELDS = tuple(one.name for one in fields(JobError))


@dataclass(frozen=True, kw_only=True)
class Job:
    """`created`, `started`, `finished`: seconds since 1970. `position` orders the waiting jobs, lowest first."""

    id: str
    kind: str
    request: Mapping[str, Any]
    state: JobState = JobState.queued
    created: float = 0.0
    started: float | None = None
    finished: float | None = None
    tag: str = ""
    attempts: int = 0  # times it was begun
    position: int = 0
    error: JobError | None = None
    result: Mapping[str, Any] | None = field(default=None)

    @property
    def requeued(self) -> bool:
        """The server ended while this job ran, so it was put back."""
        return self.attempts > (0 if self.state is JobState.queued else 1)


def new_id() -> str:
    return secrets.token_hex(16)


def check_id(id: str) -> str:
    """A client's own id as it came, or UserError."""
    if not re.fullmatch(r"[\w().:-]{1,128}", id):
        raise UserError(f"{id[:40]!r} cannot be a job's id.", hint="Use letters, digits and ( ) . : - _.", field="id")
    return id


def error_of(error: BaseException, job: Job) -> JobError:
    """What a person is told. The trace of an error that nobody foresaw goes to the log and into `details`."""
    if isinstance(error, EaselError):
        told = {name: str(getattr(error, name, "")) for name in ("message", "hint", "field", "stage")}
        return JobError(**told)
    log.error("Job %s failed.", job.id, exc_info=error)
    details = "".join(traceback.format_exception(type(error), error, error.__traceback__))[-DETAILS_LIMIT:]
    first = next(iter(_without_folder(error).splitlines()), "")[:300]
    what = f"{type(error).__name__}: {first}" if first else type(error).__name__
    hint = "The log says where."
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        hint = "Memory ran out: choose a smaller size or batch, or a memory mode that needs less."
    return JobError(f"The job stopped at an error nobody foresaw: {what}", hint=hint, details=details)


def _without_folder(error: BaseException) -> str:
    """The error's words; of a file only its name, because the message may go to another machine."""
    if isinstance(error, OSError) and error.strerror and isinstance(error.filename, str | os.PathLike):
        return f"{error.strerror}: {Path(error.filename).name}"
    return str(error)
