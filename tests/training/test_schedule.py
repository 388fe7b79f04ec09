from __future__ import annotations

import json

import pytest

from modules.training.config import Optimizer
from modules.training.schedule import Schedule, learning_rate


def test_rate_warms_up_and_ends_at_its_minimum() -> None:
    settings = Optimizer(lr=1.0, min_lr=0.1, warmup=10)
    assert learning_rate(0, 100, settings) == pytest.approx(0.1)
    assert learning_rate(9, 100, settings) == pytest.approx(1.0)
    assert learning_rate(55, 100, settings) == pytest.approx(0.55)
    assert learning_rate(100, 100, settings) == pytest.approx(0.1)


@pytest.mark.parametrize("schedule", ["constant", "step", "plateau"])
def test_rate_cools_down_over_the_last_steps(schedule: str) -> None:
    settings = Optimizer(lr=1.0, min_lr=0.0, warmup=0, schedule=schedule, cooldown=20, every=200)
    assert [learning_rate(step, 100, settings) for step in (0, 80, 90, 99)] == pytest.approx([1.0, 1.0, 0.5, 0.05])


def test_stairs_halve_and_stop_at_the_minimum() -> None:
    settings = Optimizer(lr=1.0, min_lr=0.3, warmup=10, schedule="step", factor=0.5, every=20)
    steps = (4, 10, 29, 30, 49, 50, 90)
    rates = [learning_rate(step, 100, settings) for step in steps]
    assert rates == pytest.approx([0.5, 1.0, 1.0, 0.5, 0.5, 0.3, 0.3])


def test_plateau_halves_only_where_the_loss_is_level() -> None:
    settings = Optimizer(lr=1.0, min_lr=0.0, warmup=0, schedule="plateau", factor=0.5, every=2)
    schedule, rates = Schedule(100, settings), []
    for step, loss in enumerate([4, 2, 2, 3, 3, 2, 1, 1, 9, 1]):  # means 3, 2.5, 2.5 (level), 1, 5 (worse)
        rates.append(schedule.rate(step))
        schedule.see(loss)
    assert [*rates, schedule.rate(10)] == pytest.approx([1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25])


def test_plateau_remembers_through_json() -> None:
    settings = Optimizer(lr=1.0, min_lr=0.0, warmup=0, schedule="plateau", every=3)
    losses = [3.0, 0.1, 1 / 3, 2.0, 2.0, 2.0, 5.0, 1.0, 9.0, 1.0]
    for stop in range(len(losses)):
        straight, first, second = (Schedule(100, settings) for _ in range(3))
        for loss in losses[:stop]:
            first.see(loss)
        second.restore(json.loads(json.dumps(first.memory())))
        for loss in losses[stop:]:
            second.see(loss)
        for loss in losses:
            straight.see(loss)
        assert second.memory() == straight.memory()
