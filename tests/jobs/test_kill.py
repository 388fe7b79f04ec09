"""A server process killed with SIGKILL again and again: what it acknowledged is there afterwards."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modules.jobs.job import JobState
from modules.jobs.queue import JobQueue
from modules.jobs.store import JobStore

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 5
SERVER = """
import sys, time
from pathlib import Path
from modules.jobs.queue import JobQueue
from modules.jobs.store import JobStore
from modules.processing.progress import Picture

def paint(job, control, report):
    for seed in range(2):
        report(Picture(path=f"/{job.id}-{seed}", infotext="", seed=seed, variation_seed=0, width=8, height=8))
        print("picture", job.id, f"/{job.id}-{seed}", flush=True)
        time.sleep(0.002)
    return {}

queue = JobQueue(JobStore(Path(sys.argv[1])), {"paint": paint})
queue.start()
print("up", flush=True)
for number in range(5000):
    print("job", queue.submit("paint", {"number": number, "text": "x" * 2000}).id, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_nothing_acknowledged_is_lost_when_killed(tmp_path: Path) -> None:
    database, said = tmp_path / "easel.db", tmp_path / "said.txt"
    chance = random.Random(7)
    for _ in range(ROUNDS):
        before = said.stat().st_size if said.exists() else 0
        with open(said, "ab") as out:
            child = subprocess.Popen([sys.executable, "-c", SERVER, str(database)], cwd=ROOT, stdout=out)
        until = time.monotonic() + 30
        while b"up\n" not in said.read_bytes()[before:]:
            assert child.poll() is None, "the server could not start on what the kill left"
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(chance.uniform(0.05, 0.5))
        child.send_signal(signal.SIGKILL)
        child.wait()
        with open(said, "ab") as out:
            out.write(b"\n")  # ends a half line
    assert list(tmp_path.glob("*damaged*")) == []
    lines = [line.split() for line in said.read_text().splitlines()]
    jobs = {words[1] for words in lines if len(words) == 2 and words[0] == "job" and len(words[1]) == 32}
    pictures = {(words[1], words[2]) for words in lines if len(words) == 3 and len(words[2]) == 35}
    assert len(jobs) > ROUNDS
    assert len(pictures) > ROUNDS
    store = JobStore(database)
    kept = {id: store.get(id) for id in jobs}
    assert [id for id, job in kept.items() if job is None] == []
    assert [one for one in pictures if one[1] not in {picture.path for picture in store.pictures(one[0])}] == []
    store.close()
    with sqlite3.connect(database) as base:
        assert base.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    base.close()
    queue = JobQueue(JobStore(database), {"paint": lambda job, control, report: {}})
    assert {job.state for job in queue.list()} <= {JobState.queued, JobState.done, JobState.failed}
    left = [job for job in queue.list() if job.state is JobState.queued]
    assert all(job.attempts <= 1 for job in left), "begun once before at most"
    queue.stop()
