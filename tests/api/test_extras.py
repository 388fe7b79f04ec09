"""extra-single-image, extra-batch-images, extras as jobs, and png-info of other programs, as served."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

SINGLE, BATCH, JOBS = "/sdapi/v1/extra-single-image", "/sdapi/v1/extra-batch-images", "/api/v1/jobs"
PAPER = "a cat\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 42, Size: 24x16"


def picture(seed: int = 0, size: tuple[int, int] = (24, 16)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8))


def text_of(image: Image.Image, **texts: str) -> str:
    raw, chunks = io.BytesIO(), PngInfo()
    for name, text in texts.items():
        chunks.add_text(name, text)
    image.save(raw, "PNG", pnginfo=chunks)
    return base64.b64encode(raw.getvalue()).decode()


def opened(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


@pytest.mark.parametrize("uri", ["", "data:image/png;base64,"])
def test_a_picture_is_enlarged_and_keeps_its_papers(served: Any, uri: str) -> None:
    outputs = served.engine.paths.outputs
    before = sorted(outputs.rglob("*")) if outputs.exists() else []
    body = {"image": uri + text_of(picture(), parameters=PAPER), "upscaler_1": "Lanczos", "upscaling_resize": 3}
    answer = served.client.post(SINGLE, json=body).json()
    made = opened(answer["image"])
    assert made.tobytes() == picture().resize((72, 48), Image.Resampling.LANCZOS).tobytes()
    assert made.info["parameters"] == PAPER
    assert made.info["extras"] == "Postprocess upscale by: 3, Postprocess upscaler: Lanczos"
    assert answer["html_info"] == f"<p>{made.info['extras']}</p>"
    assert (sorted(outputs.rglob("*")) if outputs.exists() else []) == before


def test_a_batch_comes_back_in_its_order_at_the_size_that_was_asked_for(served: Any) -> None:
    sent = [{"data": text_of(picture(seed)), "name": f"{seed}.png"} for seed in range(3)]
    size = {"resize_mode": 1, "upscaling_resize_w": 40, "upscaling_resize_h": 40}
    answer = served.client.post(BATCH, json={"imageList": sent, "upscaler_1": "nearest", **size}).json()
    made = [opened(one) for one in answer["images"]]
    assert [one.size for one in made] == [(40, 40)] * 3
    for seed, one in enumerate(made):
        across = picture(seed).resize((60, 40), Image.Resampling.NEAREST).resize((56, 40), Image.Resampling.NEAREST)
        assert np.asarray(one).mean() == pytest.approx(np.asarray(across).mean(), abs=12)
    assert "Postprocess crop to: 40x40" in answer["html_info"]


def test_without_an_upscaler_the_picture_comes_back_as_it_was(served: Any) -> None:
    answer = served.client.post(SINGLE, json={"image": text_of(picture()), "upscaler_2": None}).json()
    assert opened(answer["image"]).tobytes() == picture().tobytes()
    hidden = {"image": text_of(picture()), "show_extras_results": False}
    assert served.client.post(SINGLE, json=hidden).json()["image"] == ""


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"image": ""}, "image"),
        ({"image": "xxxx"}, "image"),
        ({"image": "http://127.0.0.1/x.png"}, "image"),
        ({"upscaler_1": "Lanzcos"}, "upscaler_1"),
        ({"upscaler_1": "Lanczos", "upscaler_2": "nobody"}, "upscaler_2"),
        ({"upscaler_1": "Lanczos", "upscaling_resize": 60}, "upscaling_resize"),
        ({"upscaler_1": "Lanczos", "upscaling_resize": 6000}, "upscaling_resize"),
        ({"upscaler_1": "Lanczos", "resize_mode": 1, "upscaling_resize_h": 9999}, "upscaling_resize_w"),
        ({"resize_mode": 2}, "resize_mode"),
        ({"upscaling_resize": 0}, "upscaling_resize"),
        ({"upscaling_resize_w": 0}, "upscaling_resize_w"),
        ({"gfpgan_visibility": 1.1}, "gfpgan_visibility"),
        ({"codeformer_weight": -1}, "codeformer_weight"),
        ({"extras_upscaler_2_visibility": "much"}, "extras_upscaler_2_visibility"),
    ],
)
def test_what_cannot_be_granted_is_422_and_names_the_field(served: Any, wrong: dict[str, Any], field: str) -> None:
    reply = served.client.post(SINGLE, json={"image": text_of(picture(size=(64, 64))), **wrong})
    answer = reply.json()
    assert reply.status_code == 422, answer
    assert answer.get("field") == field or answer["detail"][0]["loc"][-1] == field


def test_a_bad_picture_of_a_batch_is_named(served: Any) -> None:
    sent = [{"data": text_of(picture()), "name": "a"}, {"data": "xxxx", "name": "b"}]
    reply = served.client.post(BATCH, json={"imageList": sent})
    assert (reply.status_code, reply.json()["field"]) == (422, "imageList[1].data")
    assert served.client.post(BATCH, json={}).status_code == 422


@pytest.mark.parametrize("kept", [True, False])
def test_extras_are_jobs_too(served: Any, until: Any, kept: bool) -> None:
    sent_picture = served.engine.inputs.put(picture()) if kept else text_of(picture())
    wish = {"source": {"kind": "pictures", "pictures": [{"picture": sent_picture}]}, "upscale": {"first": "Lanczos"}}
    sent = served.client.post(JOBS, json={"kind": "extras", "request": {**wish, "size": {"by": 2}, "save": False}})
    assert sent.status_code == 202, sent.text
    job = until(
        lambda: served.client.get(f"{JOBS}/{sent.json()['id']}").json(), lambda one: one["finished"], "it did not end"
    )
    assert (job["state"], job["result"]["pictures"][0]["width"]) == ("done", 48)
    for wrong, field in (
        ({"source": {"kind": "folder", "folder": "/etc"}}, "source.folder"),
        ({"source": {"kind": "pictures", "pictures": [{"picture": "xxxx"}]}}, "source.pictures[0].picture"),
        (
            {**wish, "size": {"by": 64}, "source": {"kind": "pictures", "pictures": [{"picture": big(served)}]}},
            "size.by",
        ),
    ):
        reply = served.client.post(JOBS, json={"kind": "extras", "request": wrong})
        assert (reply.status_code, reply.json()["field"]) == (422, field), reply.text


def big(served: Any) -> str:
    return served.engine.inputs.put(Image.new("L", (600, 600)))


def test_png_info_tells_what_other_programs_wrote(served: Any) -> None:
    comment = json.dumps({"uc": "fog", "scale": 5, "steps": 28, "sampler": "k_euler", "seed": 3, "noise": 0.2})
    sent = text_of(picture(), Software="NovelAI", Description="a girl", Comment=comment)
    answer = served.client.post("/sdapi/v1/png-info", json={"image": sent}).json()
    assert answer["info"] == (
        "a girl\nNegative prompt: fog\nSteps: 28, Sampler: Euler, CFG scale: 5, Seed: 3, Size: 24x16, "
        "Clip skip: 2, ENSD: 31337"
    )
    assert answer["parameters"]["Sampler"] == "Euler"
    assert answer["foreign"] == {"program": "NovelAI", "unknown": ["noise: 0.2"]}
    ours = served.client.post("/sdapi/v1/png-info", json={"image": text_of(picture(), parameters=PAPER)}).json()
    assert (ours["info"], ours["foreign"]) == (PAPER, None)
