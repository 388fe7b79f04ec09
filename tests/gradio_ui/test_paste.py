"""An infotext's values in the form, and what becomes an override."""

import pytest

from modules.core.settings import Settings, setting_registry
from modules.gradio_ui.paste import paste_values, read_overrides
from modules.processing import options
from modules.processing.samplers.options import NOISE_SOURCE

PAPER = {
    "Prompt": "an apple",
    "Steps": "12",
    "Sampler": "Euler a",
    "CFG scale": "6.5",
    "Seed": "42",
    "Size": "768x512",
    "Size-1": "768",
    "Size-2": "512",
    "Clip skip": "2",
}
HERE = Settings(None, {NOISE_SOURCE.key: "GPU"})  # where papers come from


def test_a_paper_fills_the_form_and_clears_what_it_does_not_name() -> None:
    values = paste_values(PAPER, HERE)
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
    assert paste_values({"Seed": "7"}, HERE, whole=False) == {"seed": 7}


def test_overrides_become_settings_in_their_own_type() -> None:
    assert options.CLIP_SKIP.key in setting_registry
    assert read_overrides(["Clip skip: 2", "Nobody: 3", "Clip skip"]) == {"CLIP_stop_at_last_layers": 2}


@pytest.mark.parametrize("bad", ["", "x", "9" * 30 + "x"])
def test_a_number_that_is_none_is_left_out(bad: str) -> None:
    assert paste_values({"Steps": bad, "Prompt": "p"}, HERE, whole=False) == {"prompt": "p"}


@pytest.mark.parametrize(("paper", "set_here", "lines"), [
    ({"Clip skip": "1"}, 2, ["Clip skip: 1"]),
    ({}, 2, ["Clip skip: 1"]),
    ({"Clip skip": "2"}, 2, []),
    ({"Clip skip": "2"}, 1, ["Clip skip: 2"]),
    ({}, 1, []),
    ({"Pad conds": "True", "Model": "other"}, 1, ["Pad conds: True"]),
])  # fmt: skip
def test_overrides_are_what_differs_from_the_settings_in_force(
    paper: dict[str, str], set_here: int, lines: list[str]
) -> None:
    here = Settings(None, {NOISE_SOURCE.key: "GPU", options.CLIP_SKIP.key: set_here})
    found = paste_values({"Steps": "12", **paper}, here)["overrides"]
    assert found == lines
    assert here.with_overrides(read_overrides(found))[options.CLIP_SKIP] == int(paper.get("Clip skip", 1))


def test_a_sampler_of_another_program_leaves_the_rest_of_the_paper() -> None:
    values = paste_values({**PAPER, "Sampler": "[Forge] Flux Realistic", "Schedule type": "Odd"}, HERE)
    assert "sampler" not in values
    assert (values["prompt"], values["seed"], values["schedule"]) == ("an apple", 42, "Automatic")


def test_the_chip_of_a_sampler_leaves_the_schedule_unless_its_name_has_one() -> None:
    assert paste_values({"Sampler": "Euler a"}, HERE, whole=False) == {"sampler": "Euler a"}
    both = {"sampler": "Euler a", "schedule": "Karras"}
    assert paste_values({"Sampler": "Euler a Karras"}, HERE, whole=False) == both


def test_a_paper_with_a_second_pass_fills_the_hires_controls() -> None:
    paper = {**PAPER, "Hires upscaler": "Lanczos", "Hires upscale": "1.5", "Denoising strength": "0.4"}
    values = paste_values({**paper, "Hires steps": "8", "Hires sampler": "Euler"}, HERE)
    told = ("hires", "hr_upscaler", "hr_scale", "hr_strength", "hr_steps", "hr_sampler")
    assert [values[one] for one in told] == [True, "Lanczos", 1.5, 0.4, 8, "Euler"]
    assert paste_values(PAPER, HERE)["hires"] is False


def test_a_paper_of_an_inpainted_picture_fills_what_img2img_asks() -> None:
    paper = {**PAPER, "Denoising strength": "0.6", "Mask blur": "7", "Masked content": "latent noise"}
    paper |= {"Inpaint area": "Only masked", "Masked area padding": "48", "Mask mode": "Inpaint not masked"}
    values = paste_values({**paper, "Soft inpainting enabled": "True"}, HERE)
    said = {"strength": 0.6, "mask_blur": 7, "mask_blur_y": -1, "fill": "latent noise", "area": "only masked"}
    said |= {"padding": 48, "mask_mode": "not masked", "soft": True, "soft_mask_influence": 0.0}
    assert {name: values[name] for name in said} == said
