"""The store: what was put is there after a reopen, one server per folder, a damaged file is set aside."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

import pytest

from modules.core.errors import UserError
from modules.jobs.job import Job, JobError, JobState
from modules.jobs.store import MIGRATIONS, JobStore
from modules.processing.progress import Picture

JOB = Job(
    id="a" * 32,
    kind="tiny",
    request={"text": "ein Bär 🐻", "half": "\ud800", "deep": {"list": [1, 2.5, None]}},
    state=JobState.failed,
    created=1.25,
    started=2.5,
    finished=3.75,
    tag="txt2img",
    attempts=2,
    position=-7,
    error=JobError("What", hint="Do", field="shape.width", stage="decode", details="trace"),
    result={"seconds": 0.125},
)


def picture(number: int, *, saved: bool = True) -> Picture:
    return Picture(path=f"/{number}.png", infotext="", seed=number, variation_seed=0, width=8, height=8, saved=saved)


def test_a_job_comes_back_as_it_was_put(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "easel.db")
    store.put(JOB)
    store.add_picture(JOB.id, picture(0))
    store.add_picture(JOB.id, picture(1))
    store.close()
    again = JobStore(tmp_path / "easel.db")
    assert again.get(JOB.id) == JOB
    assert again.pictures(JOB.id) == (picture(0), picture(1))
    assert again.counts() == {"failed": 1}
    again.close()


def test_two_servers_cannot_share_a_folder(tmp_path: Path) -> None:
    first = JobStore(tmp_path / "easel.db")
    with pytest.raises(UserError, match="Another Easel"):
        JobStore(tmp_path / "easel.db")
    first.close()
    JobStore(tmp_path / "easel.db").close()


@pytest.mark.parametrize("harm", ["not a database", "a page overwritten", "cut short"])
def test_a_damaged_file_is_set_aside(tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "easel.db"
    store = JobStore(path)
    for number in range(50):
        store.put(Job(id=f"{number:032}", kind="tiny", request={"text": "x" * 500}))
    store.close()
    whole = path.read_bytes()
    harmed = {
        "not a database": b"no database at all " * 500,
        "a page overwritten": whole[:4096] + b"\xa5" * 8192 + whole[12288:],
        "cut short": whole[: len(whole) // 2],
    }[harm]
    path.write_bytes(harmed)
    with caplog.at_level(logging.WARNING):
        again = JobStore(path)
    assert again.active() == []
    again.put(JOB)
    again.close()
    (aside,) = tmp_path.glob("easel.db.damaged-*[0-9]")  # its journal goes with it
    assert aside.read_bytes() == harmed
    assert "set aside" in caplog.text


def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "easel.db"
    JobStore(path).close()
    with sqlite3.connect(path) as base:
        base.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    base.close()
    with pytest.raises(UserError, match="newer Easel"):
        JobStore(path)
    assert [one.name for one in tmp_path.glob("*damaged*")] == []


def test_a_commit_is_synced_and_wal_only_where_it_is_sound(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "easel.db")
    assert store._base.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    sound = sqlite3.sqlite_version_info >= (3, 51, 3)
    assert store._base.execute("PRAGMA journal_mode").fetchone() == ("wal" if sound else "truncate",)
    store.close()


def test_deleting_tells_the_pictures_that_were_not_saved(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "easel.db")
    store.put(JOB, Job(id="b" * 32, kind="tiny", request={}))
    store.add_picture(JOB.id, picture(0))
    store.add_picture(JOB.id, picture(1, saved=False))
    assert store.delete([JobState.failed, JobState.queued]) == (picture(1, saved=False),)
    assert store.get(JOB.id) is None
    assert store.pictures(JOB.id) == ()
    assert [job.id for job in store.active()] == ["b" * 32]
    store.close()
