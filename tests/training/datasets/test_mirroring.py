from __future__ import annotations

import pytest

from modules.training.datasets.mirroring import may_mirror


@pytest.mark.parametrize("text", ["cat face", "a leftover pizza", "a bright red apple", "delicate flower", ""])
def test_plain_things_may_be_mirrored(text: str) -> None:
    assert may_mirror(text)


@pytest.mark.parametrize(
    "text", ["left arrow", "right-facing fist", "A cup, LEFT of a plate", "stop sign", "three o'clock", "keycap: 3"]
)
def test_sides_and_writing_are_kept(text: str) -> None:
    assert not may_mirror(text)


def test_one_text_of_several_is_enough() -> None:
    assert not may_mirror("books", "library", "text")
