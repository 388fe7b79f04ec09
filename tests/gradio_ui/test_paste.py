import pytest

from modules.core.settings import setting_registry
from modules.gradio_ui.paste import paste_values, read_overrides
from modules.processing import options

PAPER = {
    "Prompt": "an apple",
    "Steps": "12",
    "Sampler": "Euler a",
    "CFG scale": "6.5",
    "Seed": "42",
    "Size": "768x512",
    "Clip skip": "2",
}


def test_a_paper_fills_the_form_and_clears_what_it_does_not_name() -> None:
    values = paste_values(PAPER)
    expected = {
        "prompt": "an apple",
        "negative": "",
        "steps": 12,
        "sampler": "Euler a",
        "cfg_scale": 6.5,
        "seed": 42,
        "width": 768,
        "height": 512,
        "subseed_strength": 0.0,
        "refiner": "None",
        "overrides": ["Clip skip: 2"],
    }
    assert {key: values[key] for key in expected} == expected


def test_one_chip_changes_only_its_own_value() -> None:
    assert paste_values({"Seed": "7"}, whole=False) == {"seed": 7}


def test_overrides_become_settings_in_their_own_type() -> None:
    assert options.CLIP_SKIP.key in setting_registry
    assert read_overrides(["Clip skip: 2", "Nobody: 3", "Clip skip"]) == {"CLIP_stop_at_last_layers": 2}


@pytest.mark.parametrize("bad", ["", "x", "9" * 30 + "x"])
def test_a_number_that_is_none_is_left_out(bad: str) -> None:
    assert paste_values({"Steps": bad, "Prompt": "p"}, whole=False) == {"prompt": "p"}
