from __future__ import annotations

import json
import math

import pytest

from modules.training.divergence import LEAST, PATIENCE, Divergence, Watch


def watch_after(losses: list[float], factor: float = 10.0) -> Watch:
    watch = Watch(factor)
    for step, loss in enumerate(losses):
        watch.see(step, loss, {})
    return watch


@pytest.mark.parametrize(("loss", "norm", "word"), [(math.nan, 1.0, "loss is nan"), (1.0, math.inf, "norm is inf")])
def test_what_is_no_number_is_named(loss: float, norm: float, word: str) -> None:
    with pytest.raises(Divergence, match=f"{word} at step 7"):
        Watch(0.0).see(7, loss, {"norm": norm})


def test_ten_times_the_median_is_endured_for_a_while_only() -> None:
    watch = watch_after([1.0, 3.0] * LEAST)
    for step in range(PATIENCE - 1):
        watch.see(step, 31.0, {})
        assert not watch.calm
    with pytest.raises(Divergence, match="exploded: it is 31 at step 99"):
        watch.see(99, 31.0, {})


def test_a_slow_rise_is_no_explosion() -> None:
    assert watch_after([1.01**step for step in range(1000)]).calm


def test_negative_losses_have_a_size_too() -> None:
    watch = watch_after([-1.0, 0.5] * LEAST)
    watch.see(0, 4.0, {})
    assert watch.calm
    watch.see(0, -400.0, {})
    assert not watch.calm


def test_factor_zero_never_judges_the_size() -> None:
    assert watch_after([*[1.0] * LEAST, *[1e9] * 2 * PATIENCE], factor=0.0).calm


def test_forgetting_allows_another_loss() -> None:
    watch = watch_after([1.0] * LEAST)
    watch.forget()
    for step in range(2 * PATIENCE):
        watch.see(step, 1000.0, {})
    assert watch.calm


def test_patience_goes_on_after_a_stop() -> None:
    before, after = watch_after([*[1.0] * LEAST, *[50.0] * (PATIENCE - 1)]), Watch(10.0)
    after.restore(**json.loads(json.dumps(before.memory())))
    with pytest.raises(Divergence):
        after.see(0, 50.0, {})
