"""What is written reads back as it was, A1111's own texts read as A1111 means them, and no text breaks the reader."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.imaging.infotext import MIN_PAIRS, build_infotext, parse_infotext

A1111 = """a cat, (best quality:1.2)
second line
Negative prompt: bad, ugly
worse
Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 965400086, Size: 512x768, \
Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Hires resize: 1024x0, \
Lora hashes: "one: 0123456789ab, two: ba9876543210", Version: v1.10.1"""


def test_a1111_text_is_read():
    found = parse_infotext(A1111)
    assert found["Prompt"] == "a cat, (best quality:1.2)\nsecond line"
    assert found["Negative prompt"] == "bad, ugly\nworse"
    assert found["Sampler"] == "DPM++ 2M"
    assert (found["Size"], found["Size-1"], found["Size-2"]) == ("512x768", "512", "768")
    assert (found["Hires resize-1"], found["Hires resize-2"]) == ("1024", "0")
    assert found["Lora hashes"] == "one: 0123456789ab, two: ba9876543210"
    assert found["Version"] == "v1.10.1"


def test_text_is_written_as_a1111_writes_it():
    fields = {"Steps": 20, "Sampler": "Euler a", "VAE": None, "Script": "a: b, c", "Tiling": "Tiling", "Note": "é\n"}
    expected = 'cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, Script: "a: b, c", Tiling, Note: "é\\n"'
    assert build_infotext("cat", "dog", fields) == expected
    assert build_infotext("cat", "", {"Steps": 1}) == "cat\nSteps: 1"
    assert build_infotext("", "", {"Steps": 1}) == "Steps: 1"


@pytest.mark.parametrize("text", ["a cat", "a (cat:1.2), (dog:1.1), (bird:1.3)", "Steps: 20, Seed: 1", ""])
def test_a_last_line_without_three_pairs_is_prompt(text: str):
    assert parse_infotext(text) == {"Prompt": text, "Negative prompt": ""}


def test_windows_line_ends_are_read():
    assert parse_infotext(A1111.replace("\n", "\r\n")) == parse_infotext(A1111)


def test_a_field_never_replaces_the_prompt():
    assert parse_infotext("cat\nSteps: 1, Seed: 2, Prompt: dog")["Prompt"] == "cat"


def test_halves_of_characters_are_joined_or_replaced():
    assert build_infotext("\ud83d\ude00 \ud800", "", {"Steps": "\udc00"}) == "😀 \ufffd\nSteps: \ufffd"


characters = st.characters(exclude_categories=["Cs"])
prompts = (
    st.text(characters)
    .map(lambda text: text.replace("\r", "").strip())
    .filter(lambda text: not any(line.lstrip().startswith("Negative prompt:") for line in text.split("\n")))
)
keys = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_ /\-]{0,20}[A-Za-z0-9]", fullmatch=True)
reserved = {"Prompt", "Negative prompt", "Size", "Hires resize", "First pass size", "Seed resize from"}
fields = st.dictionaries(keys.filter(lambda key: key not in reserved), st.text(characters), max_size=8)


@settings(deadline=None, max_examples=400)
@given(prompt=prompts, negative=prompts, fields=fields)
def test_what_is_written_reads_back(prompt: str, negative: str, fields: dict[str, str]):
    three = {"Steps": "20", "Sampler": "Euler", "Seed": "1", **fields}
    assert len(three) >= MIN_PAIRS
    found = parse_infotext(build_infotext(prompt, negative, three))
    assert found == {"Prompt": prompt, "Negative prompt": negative, **three}


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(), st.text(alphabet='ab:",\\\nx1 ', max_size=200)))
def test_any_text_is_read(text: str):
    found = parse_infotext(text)
    assert all(isinstance(value, str) for value in found.values())


@pytest.mark.parametrize(
    "piece", ['aa: "', 'aa: "\\', 'a: b", "', "aa ", ",", 'k1: "\\",', "\n", "Negative prompt:", " "]
)
def test_time_is_linear(piece: str):
    text = piece * (1_000_000 // len(piece))
    begin = time.perf_counter()
    parse_infotext(text)
    assert time.perf_counter() - begin < 5.0
