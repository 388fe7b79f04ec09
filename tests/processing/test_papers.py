"""Infotext read back into a request."""

from __future__ import annotations

import pytest

from modules.processing.papers import request_from_infotext

PAPER = "cat\nSteps: 9, {fields}, CFG scale: 5, Seed: 7, Size: 64x72"


@pytest.mark.parametrize(
    ("fields", "sampler", "schedule"),
    [
        ("Sampler: Euler a, Schedule type: Karras", "Euler a", "Karras"),
        ("Sampler: Euler a Karras", "Euler a", "Karras"),
        ("Sampler: DPM++ 2M Karras", "DPM++ 2M", "Automatic"),  # its own schedule
        ("Sampler: Euler a Karras, Schedule type: Exponential", "Euler a", "Exponential"),
        ("Sampler: Euler a", "Euler a", "Automatic"),
    ],
)
def test_sampler_and_schedule_are_parted(fields: str, sampler: str, schedule: str) -> None:
    pasted = request_from_infotext(PAPER.format(fields=fields))
    assert (pasted.request.sampling.sampler, pasted.request.sampling.schedule) == (sampler, schedule)
    assert {"sampling.sampler", "sampling.schedule"} <= pasted.given
    assert pasted.unknown == {}


def test_names_that_nobody_knows_are_told_and_left_open() -> None:
    pasted = request_from_infotext(PAPER.format(fields="Sampler: Nobody's, Schedule type: Odd"))
    assert (pasted.request.sampling.sampler, pasted.request.sampling.schedule) == (None, "Automatic")
    assert pasted.unknown == {"Sampler": "Nobody's", "Schedule type": "Odd"}


def test_eta_is_the_requests_own() -> None:
    pasted = request_from_infotext(PAPER.format(fields="Sampler: Euler a, Eta: 0.5"))
    assert pasted.request.sampling.eta == 0.5
    assert "sampling.eta" in pasted.given
