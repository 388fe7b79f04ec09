"""What happens to jobs, as numbered events: watched live, and taken up again after a lost connection."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Union

from modules.jobs.job import Job
from modules.processing.progress import Picture, Preview, Progress

BUFFER = 256  # events that wait for a slow watcher
HISTORY = 4096  # states and pictures that can be taken up again


@dataclass(frozen=True, kw_only=True)
class JobEvent:
    """`number` grows with every event, also over a restart of the server. A Job tells a new state."""

    number: int
    job_id: str
    value: Union[Job, Progress, Preview, Picture]  # noqa: UP007 read at run time by Python 3.10's get_type_hints

    @property
    def name(self) -> str:
        return type(self.value).__name__.lower()

    @property
    def terminal(self) -> bool:
        return isinstance(self.value, Job) and self.value.state.terminal

    @property
    def passing(self) -> bool:
        """The next of its kind says it anew, so a slow watcher can do without."""
        return isinstance(self.value, (Progress, Preview))


class Subscription:
    """An iterable of events that ends after the one job's terminal event, by close(), or with the server.

    At most BUFFER events wait: passing ones are dropped first, then the oldest; terminal ones never.
    """

    def __init__(self, feed: Feed, job_id: str | None, known: Iterable[JobEvent] = ()) -> None:
        self.job_id = job_id
        self._feed = feed
        self._events = deque(known)  # as many as there are
        self._changed = threading.Condition()
        self._closed = False

    def __iter__(self) -> Iterator[JobEvent]:
        while (event := self.get(None)) is not None:
            yield event

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """No event waits and none will come."""
        with self._changed:
            return self._closed and not self._events

    def get(self, timeout_s: float | None) -> JobEvent | None:
        """The next event; None after `timeout_s`, or when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._events or self._closed, timeout_s)
            return self._events.popleft() if self._events else None

    def close(self) -> None:
        self._feed.drop(self)
        self.end()

    def end(self) -> None:
        """No more events come; those that wait can still be read."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def push(self, event: JobEvent) -> None:
        with self._changed:
            if self._closed:
                return
            self._events.append(event)
            if len(self._events) > BUFFER:
                spare = [one for one in self._events if one.passing] or [
                    one for one in self._events if not one.terminal
                ]
                if spare:
                    self._events.remove(spare[0])
            self._closed = event.terminal and self.job_id is not None
            self._changed.notify_all()


class Feed:
    """Numbers events and hands them to the subscriptions. Its owner serialises `publish` and `subscribe`."""

    def __init__(self) -> None:
        self._number = self._floor = int(time.time() * 1000)  # so that numbers grow over restarts
        self._history: deque[JobEvent] = deque()
        self._watchers: list[Subscription] = []
        self._mutex = threading.Lock()

    def publish(self, job_id: str, value: Job | Progress | Preview | Picture) -> None:
        self._number += 1
        event = JobEvent(number=self._number, job_id=job_id, value=value)
        if not event.passing:
            self._history.append(event)
            if len(self._history) > HISTORY:
                self._floor = self._history.popleft().number
        with self._mutex:
            watchers = list(self._watchers)
        for one in watchers:
            if one.job_id in (None, job_id):
                one.push(event)
                if event.terminal and one.job_id is not None:
                    self.drop(one)

    def subscribe(self, job: Job | None, pictures: tuple[Picture, ...], after: int | None) -> Subscription:
        """Events of `job`, or of all. What came after number `after` is told again; where that is not known,
        the job as it stands: its pictures, then its state."""
        if after is not None and self._floor <= after <= self._number:
            known = [
                one for one in self._history if one.number > after and one.job_id == (job.id if job else one.job_id)
            ]
        elif job is not None:
            # number 0 until the last, so that a watcher lost in between is told all of it again
            known = [JobEvent(number=0, job_id=job.id, value=one) for one in pictures]
            known.append(JobEvent(number=self._number, job_id=job.id, value=job))
        else:
            known = []
        found = Subscription(self, job.id if job else None, known)
        if job is not None and job.state.terminal:
            found.end()
        else:
            with self._mutex:
                self._watchers.append(found)
        return found

    def drop(self, subscription: Subscription) -> None:
        with self._mutex:
            self._watchers = [one for one in self._watchers if one is not subscription]

    def end(self) -> None:
        with self._mutex:
            watchers, self._watchers = self._watchers, []
        for one in watchers:
            one.end()
