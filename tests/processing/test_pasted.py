"""Infotext read back into a request."""

from __future__ import annotations

import json

import pytest

from modules.processing.pasted import request_from_infotext
from modules.processing.requests import Hires, HiresPass, InitImage, Mask, MaskedImage, Noise, SoftInpainting, Windows

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
    assert {"sampler_name", "scheduler"} <= {*pasted.values}
    assert pasted.unknown == {}


def test_names_that_nobody_knows_are_told_and_left_open() -> None:
    pasted = request_from_infotext(PAPER.format(fields="Sampler: Nobody's, Schedule type: Odd"))
    assert (pasted.request.sampling.sampler, pasted.request.sampling.schedule) == (None, "Automatic")
    assert pasted.unknown == {"Sampler": "Nobody's", "Schedule type": "Odd"}


def test_eta_is_the_requests_own() -> None:
    pasted = request_from_infotext(PAPER.format(fields="Sampler: Euler a, Eta: 0.5"))
    assert pasted.request.sampling.eta == 0.5
    assert pasted.values["eta"] == 0.5


def test_hires_fix_is_a_second_pass() -> None:
    fields = "Sampler: Euler a, Schedule type: Karras, Denoising strength: 0.4, Hires upscale: 1.5, Hires steps: 7, "
    fields += "Hires upscaler: Lanczos, Hires sampler: DPM++ 2M Karras, Hires checkpoint: Use same checkpoint, "
    fields += 'Hires prompt: "a dog, big", Hires CFG Scale: 3'
    pasted = request_from_infotext(PAPER.format(fields=fields))
    second = HiresPass(positive="a dog, big", sampler="DPM++ 2M", cfg_scale=3.0)  # Karras is that sampler's own
    expected = Hires(upscaler="Lanczos", scale=1.5, steps=7, strength=0.4, second=second)
    assert (pasted.request.after.hires, pasted.request.source) == (expected, Noise())
    assert (pasted.unknown, pasted.notes) == ({}, ())
    told = {"enable_hr": True, "hr_scale": 1.5, "hr_second_pass_steps": 7, "hr_upscaler": "Lanczos"}
    told |= {"denoising_strength": 0.4, "hr_sampler_name": "DPM++ 2M", "hr_prompt": "a dog, big", "hr_cfg": 3.0}
    assert told.items() <= pasted.values.items()
    assert "hr_checkpoint_name" not in pasted.values


@pytest.mark.parametrize(("first", "size"), [("32x40", (32, 40)), ("0x0", (512, 576))])
def test_old_papers_tell_the_first_pass_beside_the_final_size(first: str, size: tuple[int, int]) -> None:
    """64x72 has the shape of 482.7x543.1 at the area of 512x512, and whole steps of 64 pixels above it."""
    fields = f"Sampler: Euler a, Denoising strength: 0.7, First pass size: {first}"
    pasted = request_from_infotext(PAPER.format(fields=fields))
    hires, shape = pasted.request.after.hires, pasted.request.shape
    assert hires is not None
    assert (shape.width, shape.height) == size
    assert (hires.width, hires.height) == (64, 72)
    assert [pasted.values[one] for one in ("width", "height", "hr_resize_x", "hr_resize_y")] == [*size, 64, 72]
    assert pasted.unknown == {}


def test_a_picture_made_from_another_gives_its_strength_and_says_that_the_other_is_missing() -> None:
    fields = "Sampler: Euler a, Image CFG scale: 1.2, Denoising strength: 0.3, Init image hash: ab12, Resize mode: "
    pasted = request_from_infotext(PAPER.format(fields=fields + "Crop and resize"))
    assert pasted.request.source == InitImage(strength=0.3, resize="crop", image_cfg_scale=1.2)
    assert {"denoising_strength": 0.3, "resize_mode": 1, "image_cfg_scale": 1.2}.items() <= pasted.values.items()
    assert pasted.unknown == {}
    assert ["ab12" in one and "not in the text" in one for one in pasted.notes] == [True]


def test_a_mask_is_read_as_far_as_it_is_told() -> None:
    fields = "Sampler: Euler a, Denoising strength: 0.3, Mask mode: Inpaint not masked, Mask blur: 8, "
    fields += "Inpaint area: Only masked, Masked area padding: 16, Masked content: latent noise, "
    fields += "Soft inpainting enabled: True, Soft inpainting schedule bias: 2, Soft inpainting mask influence: 0.1"
    pasted = request_from_infotext(PAPER.format(fields=fields))
    soft = SoftInpainting(schedule_bias=2, mask_influence=0.1)
    mask, init = Mask(image="", blur_x=8, blur_y=8, invert=True), InitImage(strength=0.3)
    assert pasted.request.source == MaskedImage(init=init, mask=mask, fill="latent noise", padding=16, soft=soft)
    told = {"mask_blur": 8, "inpainting_mask_invert": 1, "inpaint_full_res": True, "inpaint_full_res_padding": 16}
    told |= {"inpainting_fill": 2, "alwayson_scripts": {"Soft Inpainting": {"args": [True, 2, 0.5, 4, 0.1, 0.5, 2]}}}
    assert told.items() <= pasted.values.items()
    assert pasted.unknown == {}


def test_words_of_no_choice_are_told() -> None:
    pasted = request_from_infotext(PAPER.format(fields="Sampler: Euler a, Mask blur: 4, Masked content: grass"))
    assert pasted.unknown == {"Masked content": "grass"}
    assert isinstance(pasted.request.source, MaskedImage)
    assert pasted.request.source.fill == "original"


@pytest.mark.parametrize("regions", ["[{}]", '[{"left": 0.1}]', "[3]", "{}", "nothing"])
def test_regions_that_are_none_are_told_as_unknown(regions: str) -> None:
    text = f"cat\nSteps: 9, Size: 64x72, Size method: windows, Window regions: {json.dumps(regions)}"
    pasted = request_from_infotext(text)
    assert pasted.unknown == {"Window regions": regions}
    assert pasted.request.shape.windows == Windows()


def test_sizes_of_nothing_are_told_as_unknown() -> None:
    pasted = request_from_infotext("cat\nSteps: 9, Size: 0x0, Hires upscale: 2, First pass size: 0x0")
    assert pasted.unknown == {"First pass size": "0x0"}
