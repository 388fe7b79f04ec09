from __future__ import annotations

import logging

import pytest

from modules.core.startup import StartupLog


@pytest.mark.parametrize("told", [True, False])
def test_each_part_is_told_with_its_own_time_and_the_whole(told: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    times = iter([10.0, 10.5, 12.75])
    startup = StartupLog(told=told, clock=lambda: next(times))
    startup.done("settings")
    startup.done("page")
    lines = ["Start-up: settings 0.50 s, 0.50 s in all", "Start-up: page 2.25 s, 2.75 s in all"]
    assert caplog.messages == (lines if told else [])
