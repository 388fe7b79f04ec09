"""The queue with its real store and worker, over handlers of a few lines."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.core.errors import EaselError, NotFoundError, UserError
from modules.core.settings import Settings
from modules.jobs.events import BUFFER, JobEvent
from modules.jobs.job import Job, JobState, QueueFullError
from modules.jobs.queue import JobQueue
from modules.jobs.store import JobStore
from modules.processing.progress import Control, Interrupted, Picture, Preview, Progress, Report

WAIT_S = 20.0


def picture(path: object, seed: int = 0) -> Picture:
    return Picture(path=str(path), infotext="", seed=seed, variation_seed=0, width=8, height=8)


class Bench:
    """Handlers: "note" writes its number down, "hold" works until told, "shout" and "bad" do what they say."""

    def __init__(self, folder: Path, limit: int = 100, settings: Settings | None = None) -> None:
        self.notes: list[int] = []
        self.held, self.go = threading.Event(), threading.Event()
        handlers = {"note": self.note, "hold": self.hold, "bad": self.bad, "shout": self.shout}
        self.queue = JobQueue(JobStore(folder / "easel.db"), handlers, limit=limit, settings=settings)

    def note(self, job: Job, control: Control, report: Report) -> dict[str, Any]:
        self.notes.append(job.request["n"])
        return {"n": job.request["n"]}

    def hold(self, job: Job, control: Control, report: Report) -> dict[str, Any]:
        images = job.request.get("images", 1)
        made = []
        for image in range(images):
            at = Progress(
                fraction=image / images, stage="denoise", image=image, images=images, batch=image, batches=images
            )
            report(at)
            self.held.set()
            while not self.go.is_set() and not control.interrupted and not control.stopping and not control.skipped:
                time.sleep(0.001)
            if control.interrupted:
                raise Interrupted
            if not control.take_skip():
                made.append(picture(f"/{job.id}-{image}.png", image))
                report(made[-1])
            if control.stopping:
                break
        return {"pictures": [dataclasses.asdict(one) for one in made], "interrupted": control.stopping}

    def bad(self, job: Job, control: Control, report: Report) -> dict[str, Any]:
        raise {"user": UserError("Too wide.", hint="Use 8.", field="shape.width"), "own": ValueError("odd\nmore")}[
            job.request["how"]
        ]

    def shout(self, job: Job, control: Control, report: Report) -> dict[str, Any]:
        for number in range(BUFFER * 3):
            report(Progress(fraction=0.5, stage="denoise", step=number))
            report(Preview(data=b"p", step=number))
            if number % 100 == 0:
                report(picture(f"/{number}.png"))
        return {}

    def hold_one(self, **request: Any) -> Job:
        self.held.clear()
        job = self.queue.submit("hold", request)
        assert self.held.wait(WAIT_S)
        return job

    def ended(self, job: Job) -> Job:
        done = self.queue.wait(job.id, WAIT_S)
        assert done.state.terminal, done
        return done


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def bench(**more: Any) -> Bench:
        made.append(Bench(tmp_path, **more))
        return made[-1]

    yield bench
    for one in made:
        one.queue.stop(5)


@pytest.fixture
def bench(make: Callable[..., Bench]) -> Bench:
    return make()


def numbers(bench: Bench, count: int) -> list[Job]:
    return [bench.queue.submit("note", {"n": n}) for n in range(count)]


def test_jobs_run_in_the_order_they_came(bench: Bench) -> None:
    jobs = numbers(bench, 5)
    first = bench.queue.submit("note", {"n": 9}, front=True)
    assert bench.queue.places() == {first.id: 1, **{job.id: place for place, job in enumerate(jobs, 2)}}
    bench.queue.start()
    done = bench.ended(jobs[-1])
    assert (done.state, done.result, done.attempts) == (JobState.done, {"n": 4}, 1)
    assert done.started is not None
    assert done.finished is not None
    assert done.created <= done.started <= done.finished
    assert bench.notes == [9, 0, 1, 2, 3, 4]
    assert [job.id for job in bench.queue.list()] == [first.id, *(job.id for job in jobs)]


@pytest.mark.parametrize(
    ("at", "places", "order"),
    [(3, -1, [0, 1, 3, 2, 4]), (0, 2, [1, 2, 0, 3, 4]), (4, -99, [4, 0, 1, 2, 3]), (1, 99, [0, 2, 3, 4, 1])],
)
def test_a_waiting_job_moves_and_stays_moved(make: Any, at: int, places: int, order: list[int]) -> None:
    before = make()
    jobs = numbers(before, 5)
    before.queue.move(jobs[at].id, places)
    before.queue.stop()
    after = make()
    assert [job.request["n"] for job in after.queue.list()] == order
    after.queue.start()
    after.ended(after.queue.list()[-1])
    assert after.notes == order


def test_the_same_id_is_the_same_job(bench: Bench) -> None:
    one = bench.queue.submit("note", {"n": 1}, id="my-own.id")
    assert bench.queue.submit("note", {"n": 2}, id="my-own.id") == one
    bench.queue.start()
    done = bench.ended(one)
    assert bench.queue.submit("note", {"n": 3}, id="my-own.id") == done
    assert bench.notes == [1]


def test_what_cannot_be_a_job_is_refused(bench: Bench) -> None:
    with pytest.raises(UserError, match="kind 'paint'"):
        bench.queue.submit("paint", {})
    with pytest.raises(UserError, match="id"):
        bench.queue.submit("note", {"n": 0}, id="../x y")
    with pytest.raises(NotFoundError):
        bench.queue.get("nope")
    assert bench.queue.counts() == {}


def test_a_full_queue_refuses_and_takes_again(make: Any) -> None:
    bench = make(limit=2)
    jobs = numbers(bench, 2)
    with pytest.raises(QueueFullError):
        numbers(bench, 1)
    assert bench.queue.submit("note", {}, id=jobs[0].id) == jobs[0]
    bench.queue.cancel(jobs[0].id)
    numbers(bench, 1)


def test_a_cancelled_job_never_runs(bench: Bench) -> None:
    jobs = numbers(bench, 3)
    assert bench.queue.cancel(jobs[1].id).state is JobState.cancelled
    assert bench.queue.cancel(jobs[1].id).state is JobState.cancelled
    bench.queue.start()
    bench.ended(jobs[2])
    assert bench.notes == [0, 2]
    assert bench.queue.cancel(jobs[0].id).state is JobState.done
    assert bench.queue.counts() == {"done": 2, "cancelled": 1}


def test_retry_asks_the_same_in_a_new_job(bench: Bench) -> None:
    (job,) = numbers(bench, 1)
    with pytest.raises(UserError, match="queued"):
        bench.queue.retry(job.id)
    bench.queue.start()
    bench.ended(job)
    again = bench.queue.retry(job.id)
    assert again.id != job.id
    assert bench.ended(again).result == {"n": 0}
    assert bench.notes == [0, 0]


def test_an_error_is_told_in_its_parts(bench: Bench) -> None:
    bench.queue.start()
    told = bench.ended(bench.queue.submit("bad", {"how": "user"}))
    assert told.state is JobState.failed
    assert told.error is not None
    assert dict(told.error) == {
        "message": "Too wide.",
        "hint": "Use 8.",
        "field": "shape.width",
        "stage": "",
        "details": "",
    }
    own = bench.ended(bench.queue.submit("bad", {"how": "own"})).error
    assert own is not None
    assert own.message.endswith("ValueError: odd")
    assert "in bad" in own.details
    (after,) = numbers(bench, 1)
    assert bench.ended(after).state is JobState.done


def test_interrupt_stops_now_or_after_the_current(bench: Bench) -> None:
    bench.queue.start()
    job = bench.hold_one(images=3)
    assert bench.queue.running() == bench.queue.get(job.id)
    bench.queue.interrupt()
    assert bench.ended(job).state is JobState.interrupted
    assert bench.queue.snapshot(job.id).pictures == ()
    job = bench.hold_one(images=3)
    bench.queue.interrupt(job.id, now=False)
    assert bench.ended(job).state is JobState.interrupted
    assert len(bench.queue.snapshot(job.id).pictures) == 1
    job = bench.hold_one()
    bench.queue.cancel(job.id)
    assert bench.ended(job).state is JobState.cancelled


@pytest.mark.parametrize(("setting", "images", "pictures"), [(True, 3, 1), (False, 3, 0), (True, 1, 0)])
def test_the_interrupt_button_lets_a_picture_end_when_more_come(
    make: Any, setting: bool, images: int, pictures: int
) -> None:
    bench = make(settings=Settings(values={"interrupt_after_current": setting}))
    bench.queue.start()
    job = bench.hold_one(images=images)
    bench.queue.interrupt_smart(job.id)
    assert bench.ended(job).state is JobState.interrupted
    assert len(bench.queue.snapshot(job.id).pictures) == pictures


def test_the_second_press_stops_at_once(bench: Bench) -> None:
    seen: list[tuple[bool, bool]] = []

    def stubborn(job: Job, control: Control, report: Report) -> dict[str, Any]:
        report(Progress(fraction=0, stage="denoise", images=2, batches=2))
        for _ in range(2):
            bench.queue.interrupt_smart(job.id)
            seen.append((control.stopping, control.interrupted))
        return {"interrupted": True}

    bench.queue._handlers["note"] = stubborn
    bench.queue.start()
    bench.ended(bench.queue.submit("note", {}))
    assert seen == [(True, False), (True, True)]


def test_a_snapshot_tells_what_the_running_job_was_told(bench: Bench) -> None:
    seen: list[tuple[bool, bool, bool]] = []

    def obedient(job: Job, control: Control, report: Report) -> dict[str, Any]:
        def look() -> None:
            shot = bench.queue.snapshot(job.id)
            seen.append((shot.skipped, shot.stopping, shot.interrupted))

        look()
        bench.queue.skip(job.id)
        look()
        control.take_skip()
        bench.queue.interrupt(job.id, now=False)
        look()
        bench.queue.interrupt(job.id)
        look()
        return {"interrupted": True}

    bench.queue._handlers["note"] = obedient
    bench.queue.start()
    job = bench.ended(bench.queue.submit("note", {}))
    assert seen == [(False, False, False), (True, False, False), (False, True, False), (False, True, True)]
    assert not bench.queue.snapshot(job.id).interrupted, "that was the run's, not the job's"


def test_only_a_finished_job_can_be_forgotten(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="queued"):
        bench.queue.forget(bench.queue.submit("note", {"n": 1}).id)
    bench.queue.start()
    job = bench.ended(bench.queue.submit("note", {"n": 2}))
    bench.queue.forget(job.id)
    with pytest.raises(NotFoundError):
        bench.queue.get(job.id)


def test_skip_gives_up_one_picture(bench: Bench) -> None:
    bench.queue.start()
    job = bench.hold_one(images=2)
    bench.held.clear()
    bench.queue.skip()
    assert bench.held.wait(WAIT_S)
    bench.go.set()
    assert bench.ended(job).state is JobState.done
    assert [one.seed for one in bench.queue.snapshot(job.id).pictures] == [1]


@pytest.mark.parametrize("wish", ["interrupt", "cancel", "interrupt_smart"])
def test_a_race_of_wishes_ends_each_job_once(bench: Bench, wish: str) -> None:
    watched = bench.queue.subscribe()
    jobs = numbers(bench, 40)
    wishers = [threading.Thread(target=lambda: [getattr(bench.queue, wish)(job.id) for job in jobs]) for _ in range(2)]
    for one in wishers:
        one.start()
    bench.queue.start()
    for one in wishers:
        one.join()
    ends = [bench.ended(job).state for job in jobs]
    bench.queue.stop()
    told = [event.job_id for event in watched if event.terminal]
    assert sorted(told) == sorted(job.id for job in jobs)
    assert set(ends) <= {JobState.done, JobState.cancelled, JobState.interrupted}
    assert len(bench.notes) >= ends.count(JobState.done)


def test_a_slow_watcher_loses_passing_events_only(bench: Bench) -> None:
    job = bench.queue.submit("shout", {})
    with bench.queue.subscribe(job.id) as watched:
        bench.queue.start()
        bench.ended(job)
        events = list(watched)
    assert len(events) <= BUFFER
    assert [event.number for event in events] == sorted({event.number for event in events})
    assert [event.value.path for event in events if isinstance(event.value, Picture)] == [
        f"/{number}.png" for number in range(0, BUFFER * 3, 100)
    ]
    states = [event.value.state for event in events if isinstance(event.value, Job)]
    assert states == [JobState.queued, JobState.running, JobState.done]
    assert events[-1].terminal


def keep(events: list[JobEvent]) -> list[tuple[int, str]]:
    return [(event.number, event.name) for event in events if not event.passing]


def test_a_watcher_takes_up_where_it_was_cut_off(bench: Bench) -> None:
    job = bench.queue.submit("shout", {})
    watched = bench.queue.subscribe(job.id)
    bench.queue.start()
    bench.ended(job)
    events = keep(list(watched))
    for at in range(1, len(events)):
        assert keep(list(bench.queue.subscribe(job.id, after=events[at][0]))) == events[at + 1 :]


def test_an_unknown_place_tells_the_whole_job(bench: Bench) -> None:
    job = bench.queue.submit("shout", {})
    bench.queue.start()
    bench.ended(job)
    for after in (None, 0, 10**18):
        events = list(bench.queue.subscribe(job.id, after=after))
        assert [event.name for event in events] == ["picture"] * 8 + ["job"]
        assert events[-1].terminal


def test_stopping_puts_the_running_job_back(make: Any) -> None:
    bench = make()
    bench.queue.start()
    job = bench.hold_one()
    (later,) = numbers(bench, 1)
    watched = bench.queue.subscribe(job.id)
    told: list[str] = []

    def wait() -> None:
        try:
            bench.queue.wait(job.id)
        except EaselError as error:
            told.append(error.message)

    waiter = threading.Thread(target=wait)
    waiter.start()
    bench.queue.stop(5)
    waiter.join(WAIT_S)
    assert told == ["The server is stopping."]
    assert not any(event.terminal for event in watched)
    after = make()
    assert [one.id for one in after.queue.list()] == [job.id, later.id]
    after.go.set()
    after.queue.start()
    assert after.ended(job).attempts == 1


def test_a_job_whose_server_dies_twice_is_given_up(make: Any, tmp_path: Path) -> None:
    for attempts, state in ((1, JobState.queued), (2, JobState.failed)):
        store = JobStore(tmp_path / "easel.db")
        store.put(Job(id="dead", kind="note", request={"n": 1}, state=JobState.running, attempts=attempts))
        store.close()
        bench = make()
        job = bench.queue.get("dead")
        assert (job.state, job.requeued) == (state, True)
        bench.queue.stop()
    assert job.error is not None
    assert "ended 2 times" in job.error.message


def test_clear_forgets_finished_jobs_and_their_unsaved_pictures(bench: Bench, tmp_path: Path) -> None:
    files = {saved: tmp_path / f"{saved}.png" for saved in (True, False)}

    def paint(job: Job, control: Control, report: Report) -> dict[str, Any]:
        for saved, file in files.items():
            file.write_bytes(b"x")
            report(dataclasses.replace(picture(file), saved=saved))
        return {}

    bench.queue._handlers["note"] = paint
    bench.queue.start()
    bench.ended(bench.queue.submit("note", {}))
    held = bench.hold_one()
    bench.queue.clear()
    assert [job.id for job in bench.queue.list()] == [held.id]
    assert (files[True].exists(), files[False].exists()) == (True, False)
    with pytest.raises(UserError, match="running"):
        bench.queue.clear([JobState.running])


def test_the_list_is_cut_from_the_newest(bench: Bench) -> None:
    jobs = numbers(bench, 4)
    bench.queue.start()
    bench.ended(jobs[-1])
    held = bench.hold_one()
    ids = [job.id for job in (*jobs, held, *numbers(bench, 3))]
    listed = bench.queue.list
    assert [job.id for job in listed()] == ids
    for limit in range(1, 10):
        for offset in range(10):
            want = ids[: len(ids) - offset][-limit:] if offset < len(ids) else []
            assert [job.id for job in listed(limit=limit, offset=offset)] == want, (limit, offset)
    assert [job.id for job in listed(states=[JobState.done])] == ids[:4]


def test_a_result_that_cannot_be_stored_fails_only_its_job(bench: Bench) -> None:
    bench.queue._handlers["shout"] = lambda job, control, report: {"odd": object()}
    bench.queue.start()
    assert bench.ended(bench.queue.submit("shout", {})).state is JobState.failed
    (after,) = numbers(bench, 1)
    assert bench.ended(after).state is JobState.done


def test_the_result_orders_the_pictures_and_loses_none(bench: Bench) -> None:
    def grids_first(job: Job, control: Control, report: Report) -> dict[str, Any]:
        for name in "abg":
            report(picture(name))
        return {"pictures": [dataclasses.asdict(picture(name)) for name in "ga"]}

    bench.queue._handlers["note"] = grids_first
    bench.queue.start()
    job = bench.ended(bench.queue.submit("note", {}))
    assert [one.path for one in bench.queue.snapshot(job.id).pictures] == ["g", "a", "b"]
