"""The one queue: jobs wait in order, one worker thread runs them, events tell what happens."""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from modules.core.errors import EaselError, NotFoundError, UserError
from modules.core.settings import Setting, Settings, define
from modules.jobs.events import Feed, Subscription
from modules.jobs.job import (
    TERMINAL,
    Job,
    JobError,
    JobState,
    QueueFullError,
    StoppingError,
    check_id,
    error_of,
    new_id,
)
from modules.jobs.snapshot import JobSnapshot
from modules.jobs.store import JobStore
from modules.processing.progress import Control, Event, Interrupted, Picture, Preview, Progress, Report

log = logging.getLogger(__name__)
Handler = Callable[[Job, Control, Report], dict[str, Any]]
ATTEMPTS = 2  # times a job is begun when the server dies under it
LISTED = 300  # finished jobs that `list` tells when no limit is given

INTERRUPT_AFTER_CURRENT = define(
    Setting(
        "interrupt_after_current",
        True,
        "Interrupt stops after the current picture",
        section="User interface",
        hint="When more pictures are to come. Pressed again, it stops at once.",
    )
)


class _Run:
    """The running job's control and what it told."""

    def __init__(self, pictures: tuple[Picture, ...]) -> None:
        self.control = Control()
        self.shown = JobSnapshot(pictures=pictures)
        self.cancelled = False
        self.put_back = False  # by stop()


class JobQueue:
    """Any thread may call. Jobs that a dead server left running wait again at the front, once.

    A job gets exactly one terminal event. `limit`: jobs that may wait.
    """

    def __init__(
        self,
        store: JobStore,
        handlers: Mapping[str, Handler],
        *,
        limit: int = 10_000,
        settings: Settings | None = None,
    ) -> None:
        self._store, self._handlers, self._limit = store, dict(handlers), limit
        self._settings = settings or Settings()
        self._changed = threading.Condition(threading.RLock())
        self._feed = Feed()
        self._running: Job | None = None
        self._run: _Run | None = None
        self._worker: threading.Thread | None = None
        self._stopping = False
        left = store.active()
        self._waiting = [job for job in left if job.state is JobState.queued]
        for job in reversed([job for job in left if job.state is JobState.running]):
            self._recover(job)

    def _recover(self, job: Job) -> None:
        if job.attempts < ATTEMPTS:
            self._put_back(job)
            log.warning("Job %s was running when the server ended; it waits again.", job.id)
            return
        error = JobError(
            f"The server ended {job.attempts} times while this job ran, so it is not begun again.",
            hint="It may need more memory than there is. Choose a smaller size, then retry.",
        )
        self._store.put(dataclasses.replace(job, state=JobState.failed, error=error, finished=time.time()))

    def _put_back(self, job: Job) -> Job:
        back = dataclasses.replace(job, state=JobState.queued, started=None, position=self._end(front=True))
        self._store.put(back)
        self._waiting.insert(0, back)
        return back

    def _end(self, *, front: bool) -> int:
        if not self._waiting:
            return 0
        return self._waiting[0].position - 1 if front else self._waiting[-1].position + 1

    def submit(
        self, kind: str, request: Mapping[str, Any], *, tag: str = "", id: str | None = None, front: bool = False
    ) -> Job:
        """Store a job and let it wait. A known `id` gives the job it names, whatever else is said."""
        if kind not in self._handlers:
            known = ", ".join(sorted(self._handlers))
            raise UserError(f"There are no jobs of kind {kind!r}.", hint=f"Known: {known}.", field="kind")
        id = check_id(id) if id else new_id()
        with self._changed:
            try:
                return self.get(id)
            except NotFoundError:
                pass
            if len(self._waiting) >= self._limit:
                raise QueueFullError(f"{self._limit} jobs wait already.", hint="Try again later.")
            place = self._end(front=front)
            job = Job(id=id, kind=kind, request=dict(request), tag=tag, created=time.time(), position=place)
            self._store.put(job)
            self._waiting.insert(0 if front else len(self._waiting), job)
            self._told(job)
            return job

    def get(self, id: str) -> Job:
        with self._changed:
            found = self._active(id) or self._store.get(id)
        if found is None:
            raise NotFoundError(f"There is no job {id[:128]}.")
        return found

    def list(
        self, states: Sequence[JobState] = (), tag: str | None = None, limit: int | None = None, offset: int = 0
    ) -> list[Job]:
        """Finished jobs, the running one, the waiting ones in their order: oldest first.

        `limit` and `offset` count from the end. Without a limit: all at work or waiting, and the last LISTED finished.
        """
        wanted = tuple(states) or tuple(JobState)
        with self._changed:
            active = [job for job in (self._running, *self._waiting) if job is not None and job.state in wanted]
            active = [job for job in active if tag is None or job.tag == tag]
            if limit is None:
                kept = active[: len(active) - offset] if offset < len(active) else []
                rest = LISTED
            else:
                last = max(len(active) - offset, 0)
                kept = active[max(last - limit, 0) : last]
                rest = limit - len(kept)
            finished = self._store.finished(wanted, tag, rest, max(offset - len(active), 0)) if rest > 0 else []
            return finished + kept

    def places(self) -> dict[str, int]:
        """The waiting jobs' places in the queue, from 1."""
        with self._changed:
            return {job.id: place for place, job in enumerate(self._waiting, 1)}

    def counts(self) -> dict[str, int]:
        """How many jobs there are in each state that any is in."""
        with self._changed:
            return self._store.counts()

    def running(self) -> Job | None:
        return self._running

    def snapshot(self, id: str) -> JobSnapshot:
        with self._changed:
            job = self.get(id)
            if self._run is not None and self._running is not None and self._running.id == job.id:
                told = self._run.control
                return dataclasses.replace(
                    self._run.shown, skipped=told.skipped, stopping=told.stopping, interrupted=told.interrupted
                )
            return JobSnapshot(pictures=self._store.pictures(id))

    def wait(self, id: str, timeout_s: float | None = None) -> Job:
        """The job once it is finished, or as it stands after `timeout_s`. StoppingError when the server stops first."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self.get(id).state.terminal, timeout_s)
            job = self.get(id)
            if self._stopping and not job.state.terminal:
                raise StoppingError("The server is stopping.", hint="The job goes on when it is started again.")
            return job

    def subscribe(self, id: str | None = None, after: int | None = None) -> Subscription:
        """Events of one job, or of all, from now on; `after` takes up again behind the event of that number."""
        with self._changed:
            job = self.get(id) if id is not None else None
            watched = self._feed.subscribe(job, self.snapshot(job.id).pictures if job else (), after)
            if self._stopping:
                watched.close()
            return watched

    def cancel(self, id: str) -> Job:
        """Take a job back: at once while it waits, at its next step while it runs; a finished one stays as it is."""
        with self._changed:
            job = self.get(id)
            if job.state is JobState.queued:
                return self._finish(job, JobState.cancelled)
            if job.state is JobState.running and self._run is not None:
                self._run.cancelled = True
                self._run.control.interrupt()
            return job

    def interrupt(self, id: str | None = None, now: bool = True) -> None:
        """Stop the running job (or the job `id`) at its next step, or after the current batch; keep its pictures."""
        with self._changed:
            if id is not None and self.get(id).state is JobState.queued:
                self.cancel(id)
            elif (run := self._run_of(id)) is not None:
                run.control.interrupt(now=now)

    def interrupt_smart(self, id: str | None = None) -> None:
        """The Interrupt button: the first press may let the current picture come to its end, the second never."""
        with self._changed:
            run = self._run_of(id) if id is None or self.get(id).state is not JobState.queued else None
            shown = run.shown.progress if run else None
            more = shown is not None and shown.batch + 1 < shown.batches
            patient = more and run is not None and not run.control.stopping
            self.interrupt(id, now=not (patient and self._settings[INTERRUPT_AFTER_CURRENT]))

    def skip(self, id: str | None = None) -> None:
        """Give up the current batch of the running job; nothing when it does not run."""
        with self._changed:
            if id is not None:
                self.get(id)
            if (run := self._run_of(id)) is not None:
                run.control.skip()

    def move(self, id: str, places: int) -> Job:
        """Move a waiting job by so many places; below 0 is earlier. It stops at the ends."""
        with self._changed:
            job = self.get(id)
            if job.state is not JobState.queued:
                raise UserError(f"The job is {job.state}; only a waiting one can be moved.", field="state")
            at = next(index for index, one in enumerate(self._waiting) if one.id == id)
            to = min(max(at + places, 0), len(self._waiting) - 1)
            order = [*self._waiting]
            order.insert(to, order.pop(at))
            moved = [
                dataclasses.replace(one, position=before.position)
                for one, before in zip(order, self._waiting)
                if one.id != before.id
            ]
            if moved:
                self._store.put(*moved)
                fresh = {one.id: one for one in moved}
                self._waiting = [fresh.get(one.id, one) for one in order]
                self._told(fresh[id])
            return self._waiting[to]

    def retry(self, id: str) -> Job:
        """A new job that asks the same as a finished one."""
        job = self.get(id)
        if not job.state.terminal:
            raise UserError(f"The job is {job.state}; only a finished one can be asked again.", field="state")
        return self.submit(job.kind, job.request, tag=job.tag)

    def clear(self, states: Sequence[JobState] = TERMINAL) -> None:
        """Forget finished jobs, and delete their pictures that were not to be saved."""
        for state in states:
            if not JobState(state).terminal:
                raise UserError(f"Jobs that are {state} cannot be cleared.", hint="Cancel them first.", field="states")
        for picture in self._store.delete([JobState(state) for state in states]):
            Path(picture.path).unlink(missing_ok=True)

    def forget(self, id: str) -> None:
        """`clear`, for one finished job."""
        job = self.get(id)
        if not job.state.terminal:
            raise UserError(f"The job is {job.state}; only a finished one can be forgotten.", hint="Cancel it first.")
        for picture in self._store.delete_one(id):
            Path(picture.path).unlink(missing_ok=True)

    def start(self) -> None:
        """Let the worker take jobs."""
        with self._changed:
            if self._worker is None and not self._stopping:
                self._worker = threading.Thread(target=self._work, name="jobs", daemon=True)
                self._worker.start()

    def stop(self, timeout_s: float = 10) -> None:
        """Take no more jobs; the running one is stopped and waits again at the front. For good, so once is enough."""
        with self._changed:
            if self._stopping:
                return
            self._stopping = True
            if self._run is not None and not self._run.control.stopping:
                self._run.put_back = True
                self._run.control.interrupt()
            self._changed.notify_all()
        if self._worker is not None:
            self._worker.join(timeout_s)
        self._feed.end()
        if self._worker is None or not self._worker.is_alive():
            self._store.close()
        else:
            log.warning("The running job did not stop within %g s; it begins again at the next start.", timeout_s)

    def _active(self, id: str) -> Job | None:
        if self._running is not None and self._running.id == id:
            return self._running
        return next((job for job in self._waiting if job.id == id), None)

    def _run_of(self, id: str | None) -> _Run | None:
        return self._run if self._running is not None and id in (None, self._running.id) else None

    def _told(self, job: Job) -> None:
        self._feed.publish(job.id, job)
        self._changed.notify_all()

    def _finish(self, job: Job, state: JobState, **more: Any) -> Job:
        """The one place where a job ends. It ends for its watchers even when the disk refuses it."""
        ended = dataclasses.replace(job, state=state, finished=time.time(), **more)
        try:
            self._store.put(ended)
        except EaselError:
            if job.state is JobState.queued:
                raise
            log.exception("The end of job %s could not be stored; it begins again at the next start.", job.id)
        if self._running is not None and self._running.id == job.id:
            self._running = self._run = None
        self._waiting = [one for one in self._waiting if one.id != job.id]
        self._told(ended)
        return ended

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._waiting)
                if self._stopping:
                    return
                try:
                    job, run = self._begin()
                except EaselError:
                    log.exception("The next job could not be begun; it is tried again.")
                    self._changed.wait(5)
                    continue
            state, more = self._outcome(job, run)
            with self._changed:
                if run.put_back and state is JobState.interrupted:
                    self._running = self._run = None
                    self._told(self._put_back(dataclasses.replace(job, attempts=job.attempts - 1)))
                else:
                    self._finish(job, state, **more)

    def _begin(self) -> tuple[Job, _Run]:
        first = self._waiting[0]
        job = dataclasses.replace(first, state=JobState.running, started=time.time(), attempts=first.attempts + 1)
        run = _Run(self._store.pictures(job.id))
        self._store.put(job)
        self._waiting.pop(0)
        self._running, self._run = job, run
        self._told(job)
        return job, run

    def _outcome(self, job: Job, run: _Run) -> tuple[JobState, dict[str, Any]]:
        result = None
        try:
            result = self._handlers[job.kind](job, run.control, lambda event: self._report(job, run, event))
            json.dumps(result)  # what cannot be stored is the handler's fault, told as such
            self._keep_order(job, run, result)
            if not result.get("interrupted"):
                return JobState.done, {"result": result}
        except Interrupted:
            pass
        except BaseException as error:  # a handler may raise anything; the queue goes on
            return JobState.failed, {"error": error_of(error, job)}
        return (JobState.cancelled if run.cancelled else JobState.interrupted), {"result": result}

    def _report(self, job: Job, run: _Run, event: Event) -> None:
        with self._changed:
            if self._run is not run:
                return  # a straggler thread of a job that has ended
            shown = run.shown
            if isinstance(event, Progress):
                run.shown = dataclasses.replace(shown, progress=event)
            elif isinstance(event, Preview):
                run.shown = dataclasses.replace(shown, preview=event, preview_id=shown.preview_id + 1)
            elif all(one.path != event.path for one in shown.pictures):  # a requeued training draws some anew
                self._store.add_picture(job.id, event)
                run.shown = dataclasses.replace(shown, pictures=(*shown.pictures, event))
            self._feed.publish(job.id, event)

    def _keep_order(self, job: Job, run: _Run, result: dict[str, Any]) -> None:
        """The result may order its pictures anew (grids first); none that was told is lost."""
        listed = tuple(Picture(**one) for one in result.get("pictures", ()))
        if listed and listed != run.shown.pictures:
            paths = {one.path for one in listed}
            self._store.order_pictures(job.id, (*listed, *(one for one in run.shown.pictures if one.path not in paths)))
