"""When a waiting job begins, against sums done by hand."""

from dataclasses import dataclass
from typing import Any

from modules.gradio_ui.job_view import expected_starts, work
from modules.processing.requests import Generate, Sampling, Shape


@dataclass
class Job:
    id: str
    state: str
    steps: int = 10
    result: Any = None

    @property
    def request(self) -> dict[str, Any]:
        sampling, shape = Sampling(steps=self.steps), Shape(width=100, height=100, batch_count=2)
        return Generate(sampling=sampling, shape=shape).to_json()


def test_work_is_pixels_times_steps_times_pictures() -> None:
    assert work(Job("a", "queued", steps=10)) == 100 * 100 * 2 * 10


def test_a_turn_comes_when_all_before_it_are_done() -> None:
    jobs = [
        Job("old", "done", steps=10, result={"seconds": 5.0}),
        Job("now", "running"),
        Job("next", "queued", steps=20),
        Job("later", "queued"),
    ]
    assert expected_starts(jobs, lambda job: 3.0) == {"next": 3.0, "later": 3.0 + 10.0}
    assert expected_starts(jobs, lambda job: None) == {"next": 5.0, "later": 5.0 + 10.0}


def test_without_a_measure_only_the_first_turn_is_known() -> None:
    jobs = [Job("now", "running"), Job("next", "queued"), Job("later", "queued")]
    assert expected_starts(jobs, lambda job: 3.0) == {"next": 3.0, "later": None}
    assert expected_starts(jobs, lambda job: None) == {"next": None, "later": None}
    assert expected_starts([Job("next", "queued")], lambda job: None) == {"next": 0.0}


class Training(Job):
    @property
    def request(self) -> dict[str, Any]:
        return {"config": {"run": {"folder": "fruit", "steps": 100}}}


def test_nothing_behind_a_training_has_a_start_until_it_tells_its_own_end() -> None:
    old, next_one = Job("old", "done", steps=10, result={"seconds": 5.0}), Job("next", "queued")
    jobs = [old, Training("now", "running"), next_one]
    assert expected_starts(jobs, lambda job: None) == {"next": None}
    assert expected_starts(jobs, lambda job: 60.0) == {"next": 60.0}
    jobs = [old, Training("first", "queued"), next_one]
    assert expected_starts(jobs, lambda job: None) == {"first": 0.0, "next": None}
