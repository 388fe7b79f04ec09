"""Jobs and their pictures on disk, in SQLite: what was acknowledged survives a kill or a power cut."""

# ruff: noqa: S608 only our own column names and question marks are put into the SQL

from __future__ import annotations

import dataclasses
import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from modules.core.errors import EaselError, UserError
from modules.jobs.job import TERMINAL, Job, JobError, JobState
from modules.processing.progress import Picture

log = logging.getLogger(__name__)

WAL_SINCE = (3, 51, 3)  # before it, a checkpoint may lose a transaction in WAL: sqlite.org/wal.html#walresetbug
MIGRATIONS = (
    """
    CREATE TABLE jobs (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        tag TEXT NOT NULL,
        state TEXT NOT NULL,
        position INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        created REAL NOT NULL,
        started REAL,
        finished REAL,
        request TEXT NOT NULL,
        error TEXT,
        result TEXT
    );
    CREATE INDEX jobs_by_state ON jobs (state, finished);
    CREATE TABLE pictures (
        job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
        place INTEGER NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (job, place)
    );
    """,
)
COLUMNS = "id, kind, tag, state, position, attempts, created, started, finished, request, error, result"


class JobStore:
    """One database, one process: UserError when another server uses the same data folder.

    A damaged file is set aside as NAME.damaged-<time> with a warning. Any thread may call.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mutex = threading.RLock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._guard = _lock_file(path.with_name(path.name + ".lock"))
        try:
            self._base = self._open()
        except BaseException:
            self._guard.close()
            raise

    def _open(self) -> sqlite3.Connection:
        try:
            return _connect(self.path)
        except sqlite3.OperationalError as error:  # no permission, no space: the file itself may be whole
            raise UserError(f"The queue's file {self.path} cannot be opened: {error}.") from error
        except sqlite3.DatabaseError as error:
            mark = f".damaged-{int(time.time() * 1000)}"
            for ending in ("", "-wal", "-shm", "-journal"):
                beside = self.path.with_name(self.path.name + ending)
                if beside.exists():
                    beside.rename(beside.with_name(f"{self.path.name}{mark}{ending}"))
            log.warning("%s is damaged (%s); it was set aside as *%s, the queue begins empty.", self.path, error, mark)
            return _connect(self.path)

    def close(self) -> None:
        with self._mutex:
            self._base.close()
            self._guard.close()  # which gives the lock back

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One transaction; EaselError when it cannot be stored."""
        with self._mutex:
            try:
                with self._base:
                    self._base.execute("BEGIN IMMEDIATE")
                    yield self._base
            except sqlite3.Error as error:
                raise EaselError(f"The queue could not be stored: {error}.", hint="Is the disk full?") from error

    def put(self, *jobs: Job) -> None:
        """Store new jobs or new states of known ones, all or none."""
        with self._change() as base:
            base.executemany(
                f"INSERT INTO jobs ({COLUMNS}) VALUES ({', '.join('?' * 12)}) ON CONFLICT (id) DO UPDATE SET "
                "state = excluded.state, position = excluded.position, attempts = excluded.attempts, "
                "started = excluded.started, finished = excluded.finished, error = excluded.error, "
                "result = excluded.result",
                [_row(job) for job in jobs],
            )

    def get(self, id: str) -> Job | None:
        rows = self._read(f"SELECT {COLUMNS} FROM jobs WHERE id = ?", (id,))
        return _job(rows[0]) if rows else None

    def active(self) -> list[Job]:
        """Running and waiting jobs, in the order of the queue."""
        rows = self._read(
            f"SELECT {COLUMNS} FROM jobs WHERE state IN ('queued', 'running') "
            "ORDER BY state = 'queued', position, number"
        )
        return [_job(row) for row in rows]

    def finished(self, states: Sequence[JobState], tag: str | None, limit: int, offset: int = 0) -> list[Job]:
        """The last `limit` finished jobs before the last `offset`, the latest last."""
        names = [state.value for state in states if state.terminal]
        wanted, values = f"state IN ({', '.join('?' * len(names))})", [*names]
        if tag is not None:
            wanted, values = f"{wanted} AND tag = ?", [*values, tag]
        rows = self._read(
            f"SELECT {COLUMNS} FROM jobs WHERE {wanted} ORDER BY finished DESC, number DESC LIMIT ? OFFSET ?",
            (*values, limit, offset),
        )
        return [_job(row) for row in reversed(rows)]

    def counts(self) -> dict[str, int]:
        return dict(self._read("SELECT state, count(*) FROM jobs GROUP BY state"))

    def add_picture(self, id: str, picture: Picture) -> None:
        with self._change() as base:
            base.execute(
                "INSERT INTO pictures SELECT ?, coalesce(max(place) + 1, 0), ? FROM pictures WHERE job = ?",
                (id, json.dumps(dataclasses.asdict(picture)), id),
            )

    def order_pictures(self, id: str, pictures: Iterable[Picture]) -> None:
        """Put all pictures of a job anew, in this order."""
        with self._change() as base:
            base.execute("DELETE FROM pictures WHERE job = ?", (id,))
            rows = [(id, place, json.dumps(dataclasses.asdict(one))) for place, one in enumerate(pictures)]
            base.executemany("INSERT INTO pictures VALUES (?, ?, ?)", rows)

    def pictures(self, id: str) -> tuple[Picture, ...]:
        rows = self._read("SELECT value FROM pictures WHERE job = ? ORDER BY place", (id,))
        return tuple(Picture(**json.loads(value)) for (value,) in rows)

    def delete(self, states: Sequence[JobState]) -> tuple[Picture, ...]:
        """Forget the finished jobs in `states`; their pictures that were never saved for good, for the caller."""
        names = [state.value for state in states if state in TERMINAL]
        return self._delete(f"state IN ({', '.join('?' * len(names))})", names)

    def delete_one(self, id: str) -> tuple[Picture, ...]:
        """As `delete`, for one finished job."""
        names = [state.value for state in TERMINAL]
        return self._delete(f"id = ? AND state IN ({', '.join('?' * len(names))})", [id, *names])

    def _delete(self, which: str, values: Sequence[str]) -> tuple[Picture, ...]:
        with self._change() as base:
            rows = base.execute(
                f"SELECT value FROM pictures WHERE job IN (SELECT id FROM jobs WHERE {which})", values
            ).fetchall()
            base.execute(f"DELETE FROM jobs WHERE {which}", values)
        found = [Picture(**json.loads(value)) for (value,) in rows]
        return tuple(one for one in found if not one.saved)

    def _read(self, text: str, values: Sequence[object] = ()) -> list[Any]:
        with self._mutex:
            try:
                return self._base.execute(text, values).fetchall()
            except sqlite3.Error as error:
                raise EaselError(f"The queue could not be read: {error}.") from error


def _connect(path: Path) -> sqlite3.Connection:
    """Open, check and migrate; sqlite3.DatabaseError when the file is damaged."""
    base = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    try:
        mode = "WAL" if sqlite3.sqlite_version_info >= WAL_SINCE else "TRUNCATE"
        base.execute(f"PRAGMA journal_mode = {mode}")
        base.execute("PRAGMA synchronous = FULL")
        base.execute("PRAGMA foreign_keys = ON")
        (answer,) = base.execute("PRAGMA integrity_check(1)").fetchone()
        if answer != "ok":
            raise sqlite3.DatabaseError(answer)
        (version,) = base.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise UserError(f"{path} was written by a newer Easel.", hint="Update, or start with another --data-dir.")
        for number in range(version, len(MIGRATIONS)):
            base.executescript(f"BEGIN;{MIGRATIONS[number]}PRAGMA user_version = {number + 1};COMMIT;")
        return base
    except BaseException:
        base.close()
        raise


def _lock_file(path: Path) -> IO[bytes]:
    """Hold `path` for as long as the file stays open; the system lets go of it when the process dies."""
    file = open(path, "ab")  # noqa: SIM115 the store closes it
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # pyright: ignore[reportAttributeAccessIssue]
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise UserError(
            f"Another Easel already uses {path.parent}.", hint="Stop it first, or start this one with --data-dir."
        ) from error
    return file


def _row(job: Job) -> tuple[object, ...]:
    error = None if job.error is None else json.dumps(dict(job.error))
    result = None if job.result is None else json.dumps(job.result)
    what = (job.id, job.kind, job.tag, job.state.value, job.position, job.attempts)
    return (*what, job.created, job.started, job.finished, json.dumps(job.request), error, result)


def _job(row: Sequence[Any]) -> Job:
    id, kind, tag, state, position, attempts, created, started, finished, request, error, result = row
    return Job(
        id=id,
        kind=kind,
        request=json.loads(request),
        state=JobState(state),
        created=created,
        started=started,
        finished=finished,
        tag=tag,
        attempts=attempts,
        position=position,
        error=None if error is None else JobError(**json.loads(error)),
        result=None if result is None else json.loads(result),
    )
