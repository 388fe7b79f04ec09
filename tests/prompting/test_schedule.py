from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.prompting.schedule import prompt_schedule, split_and

# measured on A1111's parser at 10 steps
VECTORS = {
    "[a:b:0.5]": [(5, "a"), (10, "b")],
    "[a:b:5]": [(5, "a"), (10, "b")],
    "[a:b:1.0]": [(10, "a")],
    "[a:b:0]": [(10, "b")],
    "[a:b:-1]": [(10, "b")],
    "[a:b:1e-1]": [(10, "b")],
    "[a::3]": [(3, "a"), (10, "")],
    "[:a:3]": [(3, ""), (10, "a")],
    "[a:b]": [(10, "[a:b]")],
    "[x]": [(10, "[x]")],
    "[a:b:0.5": [(10, "[a:b:0.5")],
    "([a:b:3]:1.2)": [(3, "(a:1.2)"), (10, "(b:1.2)")],
    r"[a\:b:c:3]": [(3, r"a\:b"), (10, "c")],
    "a[b:c:12]": [(10, "ab")],
    "a [b:3]": [(3, "a "), (10, "a b")],
    "a [b : c : 1] d": [(1, "a b  d"), (10, "a  c  d")],
    "((a][:b:c [d:3]": [(3, "((a][:b:c "), (10, "((a][:b:c d")],
    "[a|b|c]x": [(step, "abc"[(step - 1) % 3] + "x") for step in range(1, 11)],
    "[fe|]male": [(step, "female" if step % 2 else "male") for step in range(1, 11)],
    "[fe|||]male": [(step, "female" if step % 4 == 1 else "male") for step in range(1, 11)],
    "[a:[b:c:7]:3]": [(3, "a"), (7, "b"), (10, "c")],
    "": [(10, "")],
}
AWKWARD = st.text(st.sampled_from("()[]:|\\. ,-+0123456789eabAND\n") | st.characters(), max_size=80)


@pytest.mark.parametrize("text", VECTORS)
def test_schedule_is_that_of_a1111(text: str) -> None:
    assert prompt_schedule(text, 10) == VECTORS[text]


@pytest.mark.parametrize(
    ("text", "old", "expected"),
    [
        ("[a:b:.5]", False, [(10, "b")]),
        ("[a:b:12]", False, [(2, "a"), (10, "b")]),
        ("[a:b:1.5]", False, [(5, "a"), (10, "b")]),
        ("[a:b:.5]", True, [(5, "a"), (10, "b")]),
    ],
)
def test_second_pass_goes_on_where_the_first_ended(text: str, old: bool, expected: list[tuple[int, str]]) -> None:
    assert prompt_schedule(text, 10, 10, old_timelines=old) == expected


def test_parts_of_and_carry_their_weights() -> None:
    assert split_and("a AND b :0.7 AND c:-1") == [("a", 1.0), (" b", 0.7), (" c", -1.0)]
    assert split_and("a and b ANDROID") == [("a and b ANDROID", 1.0)]
    assert split_and("a (b:1.2) AND c") == [("a (b:1.2)", 1.0), (" c", 1.0)]
    assert split_and("") == [("", 1.0)]


@given(AWKWARD, st.integers(1, 30), st.none() | st.integers(1, 30), st.booleans())
def test_any_text_has_a_schedule_that_covers_the_pass(text: str, steps: int, hires: int | None, old: bool) -> None:
    ends = [end for end, _ in prompt_schedule(text, steps, hires, old_timelines=old)]
    assert ends == sorted(set(ends))
    assert ends[0] >= 1
    assert ends[-1] == (hires or steps)
    assert split_and(text)


@given(st.text(st.characters(exclude_characters="[]"), max_size=60))
def test_text_without_edits_is_kept_to_the_letter(text: str) -> None:
    assert prompt_schedule(text, 10) == [(10, text)]


@pytest.mark.parametrize("piece", ["[", "(", "[(", "[a:b:3]", "[a|", "[a:", "]", ":   ", "\\", " AND a:1", "[a:1 "])
def test_time_is_linear_in_the_length(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    began = time.perf_counter()
    prompt_schedule(text, 10)
    split_and(text)
    assert time.perf_counter() - began < 8  # a quadratic reader takes minutes
