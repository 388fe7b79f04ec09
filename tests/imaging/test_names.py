"""Every tag stands for what it says, and no pattern or prompt makes a name that a system refuses."""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone
from pathlib import PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.imaging.names import _TAGS, NameContext, cut_bytes, render_pattern, safe_part

PROMPT = "A red cat, (fine:1.2) of the far, far north/west sea"
CONTEXT = NameContext(
    seed=42,
    seed_first=41,
    seed_last=44,
    steps=20,
    cfg=7.5,
    width=512,
    height=768,
    denoising=0.7,
    clip_skip=2,
    sampler="DPM++ 2M",
    schedule="Karras",
    model_name="tiny",
    model_hash="0123abcd",
    vae="fine.safetensors",
    prompt=PROMPT,
    prompt_no_styles="A red cat",
    negative="dog",
    styles=("None", "Ink", "Oil"),
    batch_number=2,
    batch_size=4,
    generation_number=6,
    time=datetime(2025, 3, 9, 8, 7, 6, tzinfo=timezone.utc),
    job_timestamp="20250309080000",
    user="ann",
    basename="sketch",
    image_bytes=lambda: b"pixels",
)


def sha(text: str, length: int | None = 8) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


TAGS = {
    "[basename]": "sketch",
    "[seed]": "42",
    "[seed_first]": "41",
    "[seed_last]": "44",
    "[steps]": "20",
    "[cfg]": "7.5",
    "[width]x[height]": "512x768",
    "[styles]": "Ink, Oil",
    "[sampler]": "DPM++ 2M",
    "[sampler_scheduler]": "DPM++ 2M Karras",
    "[scheduler]": "Karras",
    "[model_hash]": "0123abcd",
    "[model_name]": "tiny",
    "[date]": "2025-03-09",
    "[datetime]": "20250309080706",
    "[datetime<%H:%M>]": "08_07",
    "[datetime<%H><Asia/Tokyo>]": "17",
    "[datetime<%H><Nowhere/None>]": "20250309080706",
    "[job_timestamp]": "20250309080000",
    "[prompt_hash]": sha(PROMPT),
    "[prompt_hash<12>]": sha(PROMPT, 12),
    "[negative_prompt_hash]": sha("dog"),
    "[full_prompt_hash]": sha(f"{PROMPT} dog"),
    "[prompt]": "A_red_cat,_(fine_1.2)_of_the_far,_far_north_west_sea",
    "[prompt_no_styles]": "A_red_cat",
    "[prompt_spaces]": "A red cat, (fine_1.2) of the far, far north_west sea",
    "[prompt_words]": "A red cat fine 1 2 of the",
    "[batch_number]": "2",
    "[batch_size]": "4",
    "[generation_number]": "6",
    "[hasprompt<cat|nocat><Dog|nodog><red><blue>]": "catnodogred",
    "[clip_skip]": "2",
    "[denoising]": "0.7",
    "[user]": "ann",
    "[vae_filename]": "fine.safetensors",
    "a[none]": "a",
    "[image_hash<6>]": sha("pixels", 6),
    "[image_hash]": sha("pixels", None),
    "[SEED]": "42",
    "[unknown]-[seed]": "[unknown]-42",
    "[[model_name]]_[seed]-[seed_last]": "[tiny]_42-44",
    "[date]/[model_name]\\x": "2025-03-09/tiny/x",
}


@pytest.mark.parametrize("pattern", TAGS)
def test_tag(pattern: str):
    assert render_pattern(pattern, CONTEXT) == TAGS[pattern]


def test_every_tag_is_tested():
    assert all(any(f"[{name}]" in pattern or f"[{name}<" in pattern for pattern in TAGS) for name in _TAGS)


def test_what_does_not_apply_vanishes_with_the_text_before_it():
    one = NameContext(seed=7)
    assert render_pattern("[seed]-[seed_last] b[batch_number] g[generation_number] d[denoising] end", one) == "7 end"


@pytest.mark.parametrize("pattern", ["../../etc/passwd", "/abs", "C:\\x", "..", ".", "a/../b", "\\\\host\\share"])
def test_no_pattern_leads_out(pattern: str):
    parts = render_pattern(pattern, CONTEXT).split("/")
    assert all(part != ".." and ":" not in part for part in parts)
    assert not render_pattern(pattern, CONTEXT).startswith("/")


@pytest.mark.parametrize(
    ("text", "safe"),
    [("CON", "_CON"), ("nul.png", "_nul.png"), ("COM1 .x", "_COM1 .x"), ("lpt9", "_lpt9"), ("console", "console")]
    + [('a#<>:"/\\|?*\n\tb', "a____________b"), ("  a. . ", "a"), ("x" * 300, "x" * 128), ("\ud800", "\ufffd")],
)
def test_windows_names(text: str, safe: str):
    assert safe_part(text) == safe


@settings(deadline=None, max_examples=300)
@given(
    prompt=st.text(),
    pattern=st.one_of(st.text(), st.lists(st.sampled_from([*TAGS, "/", "-", " .", "con"])).map("".join)),
)
def test_every_name_is_safe(prompt: str, pattern: str):
    name = render_pattern(pattern, NameContext(prompt=prompt, model_name=prompt, time=CONTEXT.time))
    for part in filter(None, name.split("/")):
        assert len(part) <= 129
        assert not set(part) & set('#<>:"\\|?*')
        assert part == part.strip(" ")
        assert not part.endswith(".")
        assert not PureWindowsPath(part).is_reserved()
        part.encode("utf-8")


def test_names_for_unix_only_keep_what_windows_refuses():
    name = 'who? "me": *all*'
    assert render_pattern("[prompt_spaces]", NameContext(prompt=name, unix=True)) == name
    assert render_pattern("[prompt_spaces]", NameContext(prompt=name)) == "who_ _me__ _all_"
    assert safe_part("con", unix=True) == "con"
    assert render_pattern("[prompt_spaces]/x", NameContext(prompt="../a\0b\n", unix=True)) == ".._ab_/x"


@given(st.text(), st.integers(1, 40))
def test_a_name_is_no_longer_than_asked(prompt: str, limit: int):
    name = render_pattern("a[prompt]b[prompt]/[prompt]", NameContext(prompt=prompt, max_part=limit, unix=True))
    assert all(len(part) <= limit for part in name.split("/"))


@given(st.text(), st.integers(0, 50))
def test_cut_keeps_whole_characters(text: str, limit: int):
    cut = cut_bytes(text, limit)
    assert len(cut.encode("utf-8")) <= limit


def test_many_brackets_take_linear_time():
    render_pattern("[" * 200_000 + "[a" * 100_000, CONTEXT)
