"""Advice is told for what cannot work, not for what can, and its fix removes it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modules.gradio_ui.advice import Advice, advise, fitting_size
from modules.gradio_ui.img2img_request import img2img_request
from modules.gradio_ui.tabs.txt2img import build_request
from modules.gradio_ui.texts import table
from modules.imaging.inputs import PictureStore
from modules.processing.models.facts import ModelFacts
from modules.processing.requests import After, Hires
from modules.processing.samplers import samplers

SD1 = ModelFacts(title="paint", family="sd1")
XL = ModelFacts(title="grand", family="sdxl", native_size=(1024, 1024))
TURBO = ModelFacts(title="turbo", family="sdxl", steps=4, cfg_scale=1.0, few_step=True)
XL_REFINER = ModelFacts(title="fine", family="sdxl_refiner", native_size=(1024, 1024))
MINI = ModelFacts(title="mini", family="sd1", native_size=(128, 128))
PLAIN: dict[str, Any] = {"sampler": "DPM++ 2M", "steps": 20, "cfg_scale": 7.0, "width": 512, "height": 512}
MASKED: dict[str, Any] = {"mode": "inpaint", "inpaint": "kept", "inpaint_drawn": "drawn"}
CASES = [  # (key, values that differ from PLAIN, model, refiner)
    ("model_broken", {}, replace(SD1, broken="truncated"), None),
    ("model_refiner", {"width": 1024, "height": 1024}, XL_REFINER, None),
    ("negative_unread", {"negative": "fog", "cfg_scale": 1.0}, SD1, None),
    ("one_size", {"width": 192, "height": 128}, replace(MINI, one_size=True), None),
    ("method_direct", {"method": "auto"}, SD1, None),
    ("method_hires", {"method": "auto", "width": 1024, "height": 1024}, SD1, None),
    ("method_windows", {"method": "auto", "width": 2048, "height": 1536}, SD1, None),
    ("size_small", {}, XL, None),
    ("size_small", {"width": 1600, "height": 448}, XL, None),
    ("size_large", {"width": 1024, "height": 1024}, SD1, None),
    ("size_large", {}, MINI, None),
    ("sampler_few_step", {"sampler": "LCM", "steps": 6, "cfg_scale": 1.5}, SD1, None),
    ("sampler_few_step", {"sampler": "TCD", "steps": 6, "cfg_scale": 1.5}, SD1, None),
    ("steps_ignored", {"sampler": "DPM adaptive"}, SD1, None),
    ("steps_many", {"cfg_scale": 1.0}, TURBO, None),
    ("steps_few", {"steps": 3}, SD1, None),
    ("cfg_few_step", {"steps": 4}, TURBO, None),
    ("cfg_pp", {"sampler": "Euler CFG++"}, SD1, None),
    ("cfg_burnt", {"cfg_scale": 30.0}, SD1, None),
    ("variation_unused", {"subseed": 5}, SD1, None),
    ("resize_half", {"seed_resize_from_w": 512}, SD1, None),
    ("refiner_family", {"refiner": "fine"}, SD1, XL_REFINER),
    ("refiner_same", {"refiner": "paint"}, SD1, SD1),
    ("refiner_never", {"refiner": "other", "refiner_switch_at": 1.0}, SD1, replace(SD1, title="other")),
    ("latent_strength", {"hires": True, "hr_strength": 0.3}, SD1, None),
    ("hires_same", {"hires": True, "hr_scale": 1.0}, SD1, None),
    ("no_picture", {"mode": "img2img"}, SD1, None),
    ("no_mask", {"mode": "inpaint", "inpaint": "kept"}, SD1, None),
    ("strength_zero", {"mode": "img2img", "image": "kept", "strength": 0.0}, SD1, None),
    ("fill_strength", {**MASKED, "fill": "latent noise", "strength": 0.5}, SD1, None),
    ("soft_blur", {**MASKED, "soft": True}, SD1, None),
    ("refiner_broken", {"refiner": "fine"}, SD1, replace(XL_REFINER, broken="truncated")),
]


def told(values: dict[str, Any], model: ModelFacts, refiner: ModelFacts | None) -> list[Advice]:
    said = {**PLAIN, **values}
    build = img2img_request if "mode" in values else lambda values, store: build_request(values)
    return advise(build(said, PictureStore(Path("nowhere"))), model, refiner)


@pytest.mark.parametrize(("key", "values", "model", "refiner"), CASES)
def test_what_cannot_work_is_told_and_its_fix_cures_it(
    key: str, values: dict[str, Any], model: ModelFacts, refiner: ModelFacts | None
) -> None:
    found = told(values, model, refiner)
    assert [one.key for one in found] == [key]
    if found[0].fix:
        assert told({**values, **found[0].fix}, model, refiner) == []


def test_every_advice_has_words_that_its_values_fill() -> None:
    for _, values, model, refiner in CASES:
        for one in told(values, model, refiner):
            for language in ("en", "zh"):
                assert "{" not in table(language)[f"advice.{one.key}"].format(**one.values)
    told_of = {key.removeprefix("advice.") for key in table("en") if "advice." in key}
    assert {key for key, *_ in CASES} | {"network"} == told_of - {"use"}


def test_what_is_wrong_with_a_network_is_told_in_its_own_words() -> None:
    why = "There is no network 'fux'. Did you mean fox?"
    (one,) = advise(build_request({**PLAIN, "prompt": "a <lora:fux:1>"}), SD1, trouble=[why])
    assert (one.control, one.key) == ("prompt", "network")
    assert all(why in table(language)["advice.network"].format(**one.values) for language in ("en", "zh"))


@pytest.mark.parametrize(
    ("values", "model", "refiner"),
    [
        ({}, SD1, None),
        ({"prompt": "a cat <lora:fur:0.8>"}, SD1, None),
        ({"width": 512, "height": 768}, SD1, None),
        ({"width": 513}, SD1, None),
        ({"width": 832, "height": 1216}, XL, None),
        ({"width": 1024, "height": 1024, "refiner": "fine"}, XL, XL_REFINER),
        ({"steps": 4, "cfg_scale": 1.0}, TURBO, None),
        ({"steps": 6, "cfg_scale": 1.5, "sampler": "LCM"}, TURBO, None),
        ({"width": 128, "height": 96}, MINI, None),
        ({"negative": "fog"}, SD1, None),
        ({"hires": True}, SD1, None),
        ({"mode": "img2img", "image": "kept"}, SD1, None),
        (MASKED, SD1, None),
        ({**MASKED, "soft": True, "mask_blur": 16}, SD1, None),
        ({"sampler": "no such sampler"}, SD1, None),
    ],
)
def test_what_works_is_left_alone(values: dict[str, Any], model: ModelFacts, refiner: ModelFacts | None) -> None:
    assert told(values, model, refiner) == []


@pytest.mark.parametrize("name", samplers.names())
def test_the_first_fix_is_enough_for_any_sampler(name: str) -> None:
    values: dict[str, Any] = {"sampler": name}
    for one in told(values, SD1, None)[:1]:
        values = {**values, **one.fix}
    assert all(not one.fix for one in told(values, SD1, None))


@pytest.mark.parametrize("size", [(512, 512), (1920, 1080), (64, 2048), (2048, 64), (300, 200)])
@pytest.mark.parametrize("model", [SD1, XL, MINI])
def test_a_fitting_size_keeps_shape_and_pixels(size: tuple[int, int], model: ModelFacts) -> None:
    found = fitting_size(*size, model)
    across, down = model.native_size
    assert 0.7 < found["width"] * found["height"] / (across * down) < 1.4, found
    wish = min(2.0, max(0.5, size[0] / size[1]))
    assert found["width"] / found["height"] == pytest.approx(wish, rel=0.2)
    assert found["width"] % 8 == found["height"] % 8 == 0


def test_a_second_pass_over_a_model_of_one_size_is_told() -> None:
    hires = replace(build_request({**PLAIN, "width": 128, "height": 128}), after=After(hires=Hires()))
    assert [(one.control, one.key) for one in advise(hires, replace(MINI, one_size=True))] == [("hires", "one_size")]
    assert not advise(hires, MINI)
