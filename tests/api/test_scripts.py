"""Scripts by API: which there are, what they take, and pictures made through them."""

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modules.api.limits import MAX_PIXELS
from modules.api.models import Txt2Img
from modules.api.read_scripts import read_script, with_always_on
from modules.core.errors import UserError
from modules.processing.scripts import scripts

SMALL = {"prompt": "a cat", "width": 64, "height": 64, "steps": 1, "seed": 7, "sampler_name": "Euler a"}


def ask(served: Any, **body: Any) -> dict[str, Any]:
    reply = served.client.post("/sdapi/v1/txt2img", json={**SMALL, **body})
    assert reply.status_code == 200, reply.text
    return reply.json()


def pixels(encoded: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB"))


def test_every_script_is_listed_with_its_arguments_in_order(served: Any) -> None:
    listed = served.client.get("/sdapi/v1/scripts").json()
    told = served.client.get("/sdapi/v1/script-info").json()
    for script in scripts:
        for tab in ("txt2img", "img2img"):
            name = script.title.lower()
            assert (name in listed[tab]) == (tab in script.tabs)
            found = [one for one in told if one["name"] == name and one["is_img2img"] == (tab == "img2img")]
            assert len(found) == (tab in script.tabs)
            for one in found:
                assert one["is_alwayson"] is False
                assert [arg["label"] for arg in one["args"]] == [arg.label for arg in script.arguments]
    assert {one["name"] for one in told if one["is_alwayson"]} >= {"seed", "sampler", "refiner", "soft inpainting"}


def test_a_plot_by_numbers_is_the_plot_by_names(served: Any) -> None:
    info = served.client.get("/sdapi/v1/script-info").json()
    choices = next(one for one in info if one["name"] == "x/y/z plot" and not one["is_img2img"])["args"][0]["choices"]
    steps, cfg = choices.index("Steps"), choices.index("CFG Scale")
    assert (steps, cfg) == (4, 6)
    listed = [steps, "1, 2", "", cfg, "3, 7", [], 0, "", None, False, True, False, False, False, False, False, 0, False]
    first = ask(served, script_name="x/y/z plot", script_args=listed)
    named = {"x_type": "Steps", "x_values": "1, 2", "y_type": "CFG Scale", "y_values": "3, 7"}
    named |= {"draw_legend": False, "include_lone_images": True}
    second = ask(served, script_name="X/Y/Z plot", script_args=named)
    assert len(first["images"]) == len(second["images"]) == 5
    for one, other in zip(first["images"], second["images"], strict=True):
        assert np.array_equal(pixels(one), pixels(other))
    assert pixels(first["images"][0]).shape == (128, 128, 3)
    alone = ask(served, steps=2, cfg_scale=3)["images"][0]
    assert np.array_equal(pixels(first["images"][2]), pixels(alone))
    assert json.loads(first["info"])["index_of_first_image"] == 1


def test_a_picture_is_upscaled_in_tiles_by_a1111s_arguments(served: Any) -> None:
    data = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(data, "PNG")
    body = {**SMALL, "init_images": [base64.b64encode(data.getvalue()).decode()], "denoising_strength": 0.5}
    body |= {"script_name": "sd upscale", "script_args": ["", 16, 1, 2.0]}
    reply = served.client.post("/sdapi/v1/img2img", json=body)
    assert reply.status_code == 200, reply.text
    assert pixels(reply.json()["images"][0]).shape == (96, 128, 3)
    assert "SD upscale upscaler: Lanczos" in json.loads(reply.json()["info"])["infotexts"][0]


REFUSED = [
    ({"script_name": "Prompt matrix", "script_args": [1] * 9}, "script_args", ("9 values", "put_at_start")),
    ({"script_name": "Prompt matrix", "script_args": [5]}, "script_args", ("true or false",)),
    ({"script_name": "Loopback", "script_args": []}, "script_name", ("Loopback",)),
    ({"script_name": "X/Y/Z plot", "script_args": [4, "1-500"]}, "script_args", ("500", "1 to 150")),
    ({"script_name": "X/Y/Z plot", "script_args": {"x_type": "Seed", "x_values": "1-101"}}, "script_args", ("101",)),
    ({"script_name": "X/Y/Z plot", "script_args": "Steps"}, "script_args", ()),
    ({"alwayson_scripts": {"X/Y/Z plot": {}}}, "alwayson_scripts", ("script_name",)),
    ({"alwayson_scripts": {"Soft Inpainting": {}}}, "alwayson_scripts", ("Soft Inpainting", "refiner")),
    ({"alwayson_scripts": {"Refiner": {"args": [True, 5]}}}, "alwayson_scripts", ("Checkpoint", "text")),
    ({"alwayson_scripts": {"Seed": {"args": [0] * 7}}}, "alwayson_scripts", ("up to 6",)),
]


@pytest.mark.parametrize(("body", "field", "words"), REFUSED)
def test_what_cannot_be_granted_is_refused_before_it_queues(served: Any, body: Any, field: str, words: Any) -> None:
    before = served.queue.counts()
    reply = served.client.post("/sdapi/v1/txt2img", json={**SMALL, **body})
    assert reply.status_code == 422
    assert [word for word in (field, *words) if word not in reply.text] == [], reply.text
    assert served.queue.counts() == before


def test_always_on_scripts_that_are_fields_here_set_them() -> None:
    asked = {
        "Refiner": {"args": [True, "other", 0.5]},
        "seed": {"args": [5, True, 6, 0.25]},
        "Sampler": {"args": [3, "Heun", "Karras"]},
        "Comments": {},
    }
    body = with_always_on(Txt2Img(alwayson_scripts=asked), "txt2img")
    assert (body.refiner_checkpoint, body.refiner_switch_at) == ("other", 0.5)
    assert (body.seed, body.subseed, body.subseed_strength) == (5, 6, 0.25)
    assert (body.steps, body.sampler_name, body.scheduler) == (3, "Heun", "Karras")
    off = with_always_on(Txt2Img(alwayson_scripts={"Refiner": {"args": [False, "other"]}}), "txt2img")
    assert off.refiner_checkpoint is None


def test_a_null_argument_takes_its_default() -> None:
    call = read_script("Prompt matrix", [None, True], "txt2img")
    assert call is not None
    assert call.arguments == {"different_seeds": True}
    with pytest.raises(UserError, match="not found"):
        read_script("Prompt matrixx", [], "txt2img")


LARGE = [
    ("txt2img", "Prompts from file or textbox", {"prompts": "--n_iter 101 --prompt cat"}, "101 pictures"),
    ("txt2img", "Prompts from file or textbox", {"prompts": "--n_iter 60 --prompt a\n" * 2}, "120 pictures"),
    ("txt2img", "Prompts from file or textbox", {"prompts": "--width 4096 --height 4096 --prompt a"}, "4096x4096"),
    ("txt2img", "X/Y/Z plot", {"x_type": "Size", "x_values": "64x64, 2048x4096"}, "2048x4096"),
    ("img2img", "SD upscale", {"upscaler": "Lanczos", "scale": 4.0, "overlap": 16}, "800x1200 is 960000 pixels"),
    ("img2img", "Outpainting mk2", {"directions": ["left"], "pixels": 256}, "456x300 is 136800 pixels"),
    ("img2img", "Poor man's outpainting", {"directions": ["up"], "pixels": 256}, "200x556 is 111200 pixels"),
]


@pytest.mark.parametrize(("tab", "name", "arguments", "words"), LARGE)
def test_what_a_script_makes_of_a_request_has_the_same_limits(
    served: Any, tab: str, name: str, arguments: Any, words: str
) -> None:
    data = io.BytesIO()
    Image.new("RGB", (200, 300), "red").save(data, "PNG")
    body = {**SMALL, "script_name": name, "script_args": arguments}
    if tab == "img2img":
        body["init_images"] = [base64.b64encode(data.getvalue()).decode()]
        served.engine.settings.update({MAX_PIXELS.key: 100_000})
    try:
        reply = served.client.post(f"/sdapi/v1/{tab}", json=body)
    finally:
        served.engine.settings.update({MAX_PIXELS.key: MAX_PIXELS.default})
    assert reply.status_code == 422
    assert words in reply.text
    assert '"script_args"' in reply.text
