"""A batch is handed in as the queue gets to it, and an interrupted job ends it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from modules.core.errors import UserError
from modules.gradio_ui import feeding
from modules.processing.requests import Generate, Prompt


@dataclass
class Queue:
    jobs: dict[str, Any] = field(default_factory=dict)

    def submit(self, kind: str, request: Any, *, tag: str, id: str | None) -> Any:
        name = id or f"job{len(self.jobs)}"
        self.jobs[name] = SimpleNamespace(id=name, state="queued", request=request)
        return self.jobs[name]

    def get(self, id: str) -> Any:
        return self.jobs[id]

    def cancel(self, id: str) -> None:
        self.jobs[id].state = "cancelled"


def services(queue: Queue) -> Any:
    return SimpleNamespace(queue=queue, engine=SimpleNamespace(resolve=lambda request: request))


def requests(count: int, read: list[int]) -> Iterator[Generate]:
    for at in range(count):
        read.append(at)
        yield Generate(prompt=Prompt(positive=str(at)))


def until(reached: Any) -> None:
    for _ in range(200):
        if reached():
            return
        time.sleep(0.02)
    raise AssertionError("It did not come to pass.")


def test_only_a_few_wait_and_all_are_handed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "LOOK_S", 0.01)
    queue, read = Queue(), list[int]()
    assert feeding.submit(services(queue), requests(9, read), "img2img", "first").id == "first"
    until(lambda: len(queue.jobs) == feeding.AHEAD)
    time.sleep(0.05)
    assert len(read) <= feeding.AHEAD + 1
    while any(one.state == "queued" for one in queue.jobs.values()):
        next(one for one in queue.jobs.values() if one.state == "queued").state = "done"
        time.sleep(0.05)
    until(lambda: len(queue.jobs) == 9)


def test_an_interrupted_job_ends_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "LOOK_S", 0.01)
    queue = Queue()
    feeding.submit(services(queue), requests(9, []), "img2img", None)
    until(lambda: len(queue.jobs) == feeding.AHEAD)
    queue.jobs["job0"].state = "interrupted"
    until(lambda: all(one.state in ("interrupted", "cancelled") for one in queue.jobs.values()))
    assert len(queue.jobs) == feeding.AHEAD


def test_nothing_readable_is_told() -> None:
    with pytest.raises(UserError):
        feeding.submit(services(Queue()), iter(()), "img2img", None)
