from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.prompting.attention import parse_attention

# measured on A1111's parser
VECTORS = {
    "(a BREAK b)": [("a", 1.1), ("BREAK", -1.1), ("b", 1.1)],
    "a BREAK b": [("a", 1.0), ("BREAK", -1.0), ("b", 1.0)],
    "a\\b": [("ab", 1.0)],
    "(x:1.2": [("x:1.2", 1.1)],
    "[x:1.2]": [("x:1.2", 1 / 1.1)],
    "x:1.2)": [("x:1.2)", 1.0)],
    "(x: -0.5 )": [("x", -0.5)],
    "(a:1.2:3)": [("a:1.2", 3.0)],
    "((a:1.5):1.2)": [("a", 1.8)],
    "BREAKfast, a) b": [("BREAKfast, a) b", 1.0)],
    "": [("", 1.0)],
    "(unbalanced": [("unbalanced", 1.1)],
    "((x))": [("x", 1.21)],
    "(x:.5)(y:+2)": [("x", 0.5), ("y", 2.0)],
    "(a)(b)": [("ab", 1.1)],
    r"\(a\) \[b\] \\": [(r"(a) [b] " + "\\", 1.0)],
    "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).": [
        ("a ", 1.0),
        ("house", 1.573),
        (" ", 1.1),
        ("on", 1.0),
        (" a ", 1.1),
        ("hill", 0.55),
        (", sun, ", 1.1),
        ("sky", 1.4641),
        (".", 1.1),
    ],
}
AWKWARD = st.text(st.sampled_from("()[]:\\|. ,-+0123456789eaBREAK<>#\n") | st.characters(), max_size=80)


@pytest.mark.parametrize("text", VECTORS)
def test_runs_are_those_of_a1111(text: str) -> None:
    runs = parse_attention(text)
    assert [one for one, _ in runs] == [one for one, _ in VECTORS[text]]
    assert [weight for _, weight in runs] == pytest.approx([weight for _, weight in VECTORS[text]])


@pytest.mark.parametrize("text", ["(a:1.2.3)", "(a:.)", "(a:" + "9" * 400 + ")"])
def test_what_is_no_number_is_text(text: str) -> None:
    assert parse_attention(text) == [(text[1:-1], 1.1)]


@given(AWKWARD)
def test_any_text_is_valid_and_weights_are_finite(text: str) -> None:
    runs = parse_attention(text)
    assert runs
    assert all(abs(weight) <= 1e9 for _, weight in runs)


@given(st.text(st.characters(exclude_characters="()[]:\\"), max_size=60).filter(lambda text: "BREAK" not in text))
def test_text_without_marks_is_one_run(text: str) -> None:
    assert parse_attention(text) == [(text, 1.0)]


def test_brackets_beyond_the_limit_are_text() -> None:
    (run, weight), *_ = parse_attention("(" * 70 + "x" + ")" * 70)
    assert run == "(" * 6 + "x" + ")" * 6
    assert weight == pytest.approx(1.1**64)


@pytest.mark.parametrize("piece", ["(", "[", "(a:1.1)", ":   ", "\\", "BREAK ", " " * 9, "(:1"])
def test_time_is_linear_in_the_length(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    began = time.perf_counter()
    parse_attention(text)
    assert time.perf_counter() - began < 5  # a quadratic reader takes minutes
