"""The queue against a plain list of what should wait, over any order of wishes, restarts among them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from modules.jobs.job import JobState
from modules.jobs.queue import JobQueue
from modules.jobs.store import JobStore

PLACES = st.integers(-4, 4)
PICK = st.integers(0, 50)


class QueueMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.queue = self.open()
        self.waiting: list[str] = []
        self.cancelled: list[str] = []

    def open(self) -> JobQueue:
        handlers = {"note": lambda job, control, report: {}}
        return JobQueue(JobStore(Path(self.folder.name) / "easel.db"), handlers, limit=6)

    @precondition(lambda self: len(self.waiting) < 6)
    @rule(front=st.booleans())
    def submit(self, front: bool) -> None:
        job = self.queue.submit("note", {}, front=front)
        self.waiting.insert(0 if front else len(self.waiting), job.id)

    @precondition(lambda self: self.waiting)
    @rule(pick=PICK, places=PLACES)
    def move(self, pick: int, places: int) -> None:
        at = pick % len(self.waiting)
        id = self.waiting.pop(at)
        self.waiting.insert(max(0, min(at + places, len(self.waiting))), id)
        self.queue.move(id, places)

    @precondition(lambda self: self.waiting)
    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        id = self.waiting.pop(pick % len(self.waiting))
        self.queue.cancel(id)
        self.cancelled.append(id)

    @precondition(lambda self: self.cancelled and len(self.waiting) < 6)
    @rule(pick=PICK)
    def retry(self, pick: int) -> None:
        self.waiting.append(self.queue.retry(self.cancelled[pick % len(self.cancelled)]).id)

    @rule()
    def clear(self) -> None:
        self.queue.clear()
        self.cancelled = []

    @rule()
    def restart(self) -> None:
        self.queue.stop()
        self.queue = self.open()

    @invariant()
    def agrees(self) -> None:
        assert [job.id for job in self.queue.list(states=[JobState.queued])] == self.waiting
        assert [job.id for job in self.queue.list(states=[JobState.cancelled])] == self.cancelled
        counts = {"queued": len(self.waiting), "cancelled": len(self.cancelled)}
        assert self.queue.counts() == {state: count for state, count in counts.items() if count}
        assert self.queue.places() == {id: place for place, id in enumerate(self.waiting, 1)}

    def teardown(self) -> None:
        self.queue.stop()
        self.folder.cleanup()


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(
    max_examples=25,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
