"""/sdapi/v1/img2img, hires fix and interrogate as a client meets them: real HTTP, a real engine, a tiny model."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from modules.api.models import Img2Img, Txt2Img
from modules.imaging.metadata import read_papers
from modules.processing.requests import Generate

IMG2IMG, TXT2IMG = "/sdapi/v1/img2img", "/sdapi/v1/txt2img"
SMALL: dict[str, Any] = {"steps": 2, "width": 64, "height": 72, "seed": 5}
# A1111's schemas: every field at its default, as its interactive page shows them
SHARED: dict[str, Any] = {
    "prompt": "", "negative_prompt": "", "styles": None, "seed": -1, "subseed": -1, "subseed_strength": 0,
    "seed_resize_from_h": -1, "seed_resize_from_w": -1, "sampler_name": None, "scheduler": None, "batch_size": 1,
    "n_iter": 1, "steps": 50, "cfg_scale": 7.0, "width": 512, "height": 512, "restore_faces": None, "tiling": None,
    "do_not_save_samples": False, "do_not_save_grid": False, "eta": None, "s_min_uncond": None, "s_churn": None,
    "s_tmax": None, "s_tmin": None, "s_noise": None, "override_settings": None,
    "override_settings_restore_afterwards": True, "refiner_checkpoint": None, "refiner_switch_at": None,
    "disable_extra_networks": False, "force_task_id": None, "sampler_index": "Euler", "script_name": None,
    "script_args": [], "send_images": True, "save_images": False, "alwayson_scripts": {}, "infotext": None,
}  # fmt: skip
OF_TXT2IMG: dict[str, Any] = {
    "denoising_strength": None, "firstpass_image": None, "enable_hr": False, "firstphase_width": 0,
    "firstphase_height": 0, "hr_scale": 2.0, "hr_upscaler": None, "hr_second_pass_steps": 0, "hr_resize_x": 0,
    "hr_resize_y": 0, "hr_checkpoint_name": None, "hr_sampler_name": None, "hr_scheduler": None, "hr_prompt": "",
    "hr_negative_prompt": "",
}  # fmt: skip
OF_IMG2IMG: dict[str, Any] = {
    "init_images": None, "resize_mode": 0, "denoising_strength": 0.75, "image_cfg_scale": None, "mask": None,
    "mask_blur_x": 4, "mask_blur_y": 4, "mask_blur": None, "mask_round": True, "inpainting_fill": 0,
    "inpaint_full_res": True, "inpaint_full_res_padding": 0, "inpainting_mask_invert": 0,
    "initial_noise_multiplier": None, "latent_mask": None, "include_init_images": False,
}  # fmt: skip


def text(image: Image.Image, kind: str = "PNG") -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def gradient(size: tuple[int, int] = (64, 72)) -> Image.Image:
    across = np.linspace(0, 255, size[0], dtype=np.uint8)[None, :, None]
    down = np.linspace(255, 0, size[1], dtype=np.uint8)[:, None, None]
    shape = (size[1], size[0], 1)
    whole = [np.broadcast_to(across, shape), np.broadcast_to(down, shape), np.full(shape, 90, np.uint8)]
    return Image.fromarray(np.concatenate(whole, axis=2))


def half_mask(size: tuple[int, int] = (64, 72)) -> Image.Image:
    """The right half is painted anew."""
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).rectangle((size[0] // 2, 0, size[0], size[1]), fill=255)
    return mask


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"), np.int16)


def ask(served: Any, **body: Any) -> Any:
    return served.client.post(IMG2IMG, json={**SMALL, "init_images": [text(gradient())], **body})


def made(reply: Any) -> tuple[list[Image.Image], dict[str, Any], dict[str, Any]]:
    """The pictures, the info, and the whole answer."""
    assert reply.status_code == 200, reply.text
    answer = reply.json()
    images = [Image.open(io.BytesIO(base64.b64decode(one)), formats=("PNG",)) for one in answer["images"]]
    return images, json.loads(answer["info"]), answer


@pytest.mark.parametrize(
    ("body", "own", "theirs"), [(Txt2Img, {"hr_cfg"}, OF_TXT2IMG), (Img2Img, set[str](), OF_IMG2IMG)]
)
def test_every_field_of_theirs_is_there_at_their_default(body: Any, own: set[str], theirs: dict[str, Any]) -> None:
    defaults = body().model_dump()
    ours = {"easel_method", "easel_windows"} | own
    assert {name: value for name, value in defaults.items() if name not in ours} == {**SHARED, **theirs}
    assert ours < set(defaults)


def test_the_routes_are_described(served: Any) -> None:
    described = served.client.get("/openapi.json").json()
    assert {IMG2IMG, "/sdapi/v1/interrogate"} <= set(described["paths"])
    fields = described["components"]["schemas"]["Img2Img"]["properties"]
    assert set(fields) >= {*SHARED, *OF_IMG2IMG}
    assert "White" in fields["mask"]["description"]


def test_the_body_of_a_client_that_sends_every_field_is_granted(served: Any) -> None:
    images, info, answer = made(ask(served, **{**SHARED, **OF_IMG2IMG, **SMALL, "init_images": [text(gradient())]}))
    assert [one.size for one in images] == [(64, 72)]
    assert answer["warnings"] == []
    assert answer["parameters"]["init_images"] is None
    assert set(answer["parameters"]) >= {*SHARED, *OF_IMG2IMG}
    assert info["denoising_strength"] == 0.75


def test_strength_says_how_much_of_the_source_is_left(served: Any) -> None:
    """Strength 0 is a trip through the autoencoder alone: the same whatever the seed says."""
    (still,), info, _ = made(ask(served, denoising_strength=0))
    (again,), _, _ = made(ask(served, denoising_strength=0, seed=99))
    (moved,), _, _ = made(ask(served, denoising_strength=0.9))
    assert (pixels(still) == pixels(again)).all()
    assert (pixels(still) != pixels(moved)).any()
    assert "Denoising strength: 0," in info["infotexts"][0]


@pytest.mark.parametrize("prefix", ["", "data:image/jpeg;base64,", "DATA:image/webp;base64,"])
def test_base64_is_taken_with_and_without_a_data_uri(served: Any, prefix: str) -> None:
    same = {"denoising_strength": 0, "seed": 1}
    (bare,), _, _ = made(ask(served, **same))
    (given,), _, _ = made(ask(served, init_images=[prefix + text(gradient())], **same))
    assert (pixels(bare) == pixels(given)).all()


def test_each_picture_of_a_batch_starts_from_its_own(served: Any) -> None:
    sources = [text(gradient()), text(gradient().transpose(Image.Transpose.FLIP_LEFT_RIGHT))]
    images, info, _ = made(ask(served, init_images=sources, batch_size=2, denoising_strength=0.1))
    assert len(images) == 2
    assert info["all_seeds"] == [5, 6]
    alone = [
        made(ask(served, init_images=[one], denoising_strength=0.1, seed=5 + k))[0][0] for k, one in enumerate(sources)
    ]
    for image, single in zip(images, alone, strict=True):
        assert np.abs(pixels(image) - pixels(single)).max() <= 1


def test_outside_of_the_mask_nothing_changes(served: Any) -> None:
    wish = {"mask": text(half_mask()), "mask_blur": 0, "denoising_strength": 1, "inpaint_full_res": False}
    (image,), info, answer = made(ask(served, **wish, inpainting_fill=1, include_init_images=True))
    changed = (pixels(image) != pixels(gradient())).any(axis=2)
    assert not changed[:, :32].any()
    assert changed[:, 32:].mean() > 0.9
    assert answer["parameters"]["mask"] == wish["mask"]
    assert info["extra_generation_params"] == {"Mask blur": 0}, "the only sign that there was a mask"
    (inverted,), info, _ = made(ask(served, **wish, inpainting_mask_invert=1))
    changed = (pixels(inverted) != pixels(gradient())).any(axis=2)
    assert not changed[:, 33:].any()
    told = {"Mask mode": "Inpaint not masked", "Mask blur": 0, "Masked content": "fill"}
    assert info["extra_generation_params"] == told


def test_the_infotext_tells_the_mask_and_gives_the_request_back(served: Any) -> None:
    wish = {"mask": text(half_mask()), "mask_blur": 3, "inpainting_fill": 2, "inpaint_full_res_padding": 12}
    wish |= {"denoising_strength": 0.6, "initial_noise_multiplier": 0.9, "resize_mode": 1, "sampler_name": "Euler a"}
    wish |= {"alwayson_scripts": {"Soft Inpainting": {"args": [True, 2]}}}
    images, info, _ = made(ask(served, **wish))
    (told,) = info["infotexts"]
    assert "Size: 64x72," in told
    fields = "Resize mode: Crop and resize, Mask blur: 3, Inpaint area: Only masked, Masked area padding: 12, "
    fields += "Masked content: latent noise, Soft inpainting enabled: True, Soft inpainting schedule bias: 2, "
    assert fields in told
    assert "Noise multiplier: 0.9" in told
    assert told.index("Denoising strength: 0.6,") < told.index("Resize mode")
    bodies = {"init_images": [text(gradient())], "mask": wish["mask"], "infotext": told}
    again, again_info, answer = made(served.client.post(IMG2IMG, json=bodies))
    assert again_info["infotexts"] == [told]
    assert (pixels(again[0]) == pixels(images[0])).all()
    assert answer["warnings"] == []


def test_an_infotext_of_a_picture_from_a_picture_says_what_it_lacks(served: Any) -> None:
    told = made(ask(served, denoising_strength=0.3))[1]["infotexts"][0]
    _, info, answer = made(served.client.post(TXT2IMG, json={"infotext": told}))
    assert info["seed"] == 5
    assert ["not in the text" in one for one in answer["warnings"]] == [True]


REFUSED = [
    ({"init_images": ["nonsense"]}, "init_images[0]", "picture"),
    ({"init_images": [text(gradient()), "data:image/png,abc"], "batch_size": 2}, "init_images[1]", "base64"),
    ({"mask": "%%%"}, "mask", "base64"),
    ({"mask": "http://127.0.0.1/mask.png"}, "mask", "web address"),
    ({"denoising_strength": 1.5}, "denoising_strength", "0 to 1"),
    ({"mask": text(half_mask()), "mask_blur": -1}, "mask_blur", "-1"),
    ({"mask": text(half_mask()), "inpaint_full_res_padding": -1}, "inpaint_full_res_padding", "-1"),
    ({"mask": text(Image.new("L", (64, 72)))}, "mask", "blank"),
    ({"resize_mode": 4}, "resize_mode", "3"),
    ({"inpainting_fill": 7}, "inpainting_fill", "3"),
    ({"initial_noise_multiplier": 2}, "initial_noise_multiplier", "1.5"),
    ({"easel_method": "hires"}, "easel_method", "hires"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "field", "word"), REFUSED)
def test_a_refusal_names_the_field(served: Any, body: dict[str, Any], field: str, word: str) -> None:
    reply = ask(served, **body)
    told = reply.json()
    assert reply.status_code == 422, told
    assert field in (told.get("field") or told["errors"]), told
    assert word in told["errors"], told


@pytest.mark.parametrize("nothing", [None, []])
def test_no_init_image_is_a_404_in_their_words(served: Any, nothing: Any) -> None:
    reply = ask(served, init_images=nothing)
    assert (reply.status_code, reply.json()["detail"]) == (404, "Init image not found")


def test_hires_fix_enlarges_and_its_infotext_makes_it_again(served: Any) -> None:
    wish = {"enable_hr": True, "hr_scale": 1.5, "denoising_strength": 0.5, "hr_second_pass_steps": 3, "prompt": "cat"}
    wish |= {"hr_prompt": "a dog, big", "hr_sampler_name": "Heun", "hr_upscaler": "Lanczos", "hr_cfg": 3}
    body = {**SMALL, "sampler_name": "Euler", **wish}
    images, info, _ = made(served.client.post(TXT2IMG, json=body))
    assert images[0].size == (96, 108)
    assert (info["width"], info["height"], info["denoising_strength"]) == (64, 72, 0.5)
    told = info["infotexts"][0]
    assert "Denoising strength: 0.5," in told
    fields = 'Hires sampler: Heun, Hires prompt: "a dog, big", Hires CFG Scale: 3, Hires upscale: 1.5, '
    assert fields + "Hires steps: 3, Hires upscaler: Lanczos" in told
    again, again_info, answer = made(served.client.post(TXT2IMG, json={"infotext": told}))
    assert again_info["infotexts"] == info["infotexts"]
    assert (pixels(again[0]) == pixels(images[0])).all()
    assert answer["warnings"] == []


@pytest.mark.parametrize(
    ("sizes", "size", "told"),
    [
        ({"hr_resize_x": 96}, (96, 108), "Hires resize: 96x0"),
        ({"hr_resize_x": 96, "hr_resize_y": 96}, (96, 96), "Hires resize: 96x96"),
        ({"firstphase_width": 64, "firstphase_height": 64, "width": 96, "height": 128}, (96, 128), "Size: 64x64"),
    ],
)
def test_the_second_pass_gives_exactly_the_size_that_was_asked(
    served: Any, sizes: dict[str, int], size: tuple[int, int], told: str
) -> None:
    images, info, _ = made(served.client.post(TXT2IMG, json={**SMALL, "enable_hr": True, **sizes}))
    assert images[0].size == size
    assert told in info["infotexts"][0]


def test_a_picture_can_take_the_place_of_the_first_pass(served: Any) -> None:
    """Strength 0: what comes out is the given picture, enlarged, through the autoencoder."""
    wish = {"enable_hr": True, "hr_upscaler": "Lanczos", "denoising_strength": 0, "firstpass_image": text(gradient())}
    (image,), _, _ = made(served.client.post(TXT2IMG, json={**SMALL, **wish}))
    enlarged = gradient().resize((128, 144), Image.Resampling.LANCZOS)
    same = ask(served, init_images=[text(enlarged)], width=128, height=144, denoising_strength=0)
    assert np.abs(pixels(image) - pixels(made(same)[0][0])).max() <= 1


def test_windows_are_asked_for_and_told(served: Any) -> None:
    wish = {**SMALL, "width": 128, "easel_method": "windows", "easel_windows": {"size": 64, "overlap": 32}}
    images, info, _ = made(served.client.post(TXT2IMG, json=wish))
    told = info["infotexts"][0]
    assert images[0].size == (128, 72)
    assert "Size method: windows, Window size: 64, Window overlap: 32, Window weights: mixture" in told
    again, again_info, _ = made(served.client.post(TXT2IMG, json={"infotext": told}))
    assert again_info["infotexts"] == [told]
    assert (pixels(again[0]) == pixels(images[0])).all()


def test_native_jobs_take_pictures_in_every_place(served: Any, until: Any) -> None:
    def finished(request: dict[str, Any]) -> dict[str, Any]:
        reply = served.client.post("/api/v1/jobs", json={"request": request})
        assert reply.status_code == 202, reply.text
        ended = ("done", "failed")
        where = f"/api/v1/jobs/{reply.json()['id']}"
        job = until(lambda: served.client.get(where).json(), lambda one: one["state"] in ended, "it does not end")
        assert job["state"] == "done", job["error"]
        return job

    small: dict[str, Any] = {"shape": {"width": 64, "height": 72}, "sampling": {"steps": 2}}
    init = {"images": [text(gradient()), "data:image/png;base64," + text(gradient())], "strength": 0.5}
    source = {"kind": "masked", "init": {"kind": "image", **init}, "mask": {"image": text(half_mask())}}
    job = finished({**small, "source": source})
    kept = job["request"]["source"]
    assert kept["init"]["images"][0] == kept["init"]["images"][1], "the same picture is kept once"
    assert served.engine.inputs.open(kept["mask"]["image"]).size == (64, 72)
    finished({**small, "source": {"kind": "image", "images": kept["init"]["images"][:1]}})
    job = finished({**small, "after": {"hires": {"first": text(gradient()), "strength": 0.5}}})
    assert Generate.from_json(job["request"]).after.hires is not None
    for request, field in (
        ({"source": {"kind": "image", "images": ["nonsense"]}}, "source.images[0]"),
        ({"source": {**source, "mask": {"image": "nonsense"}}}, "source.mask.image"),
        ({"source": {**source, "init": {"kind": "image", "images": [7]}}}, "source.init.images[0]"),
        ({"after": {"hires": {"first": "nonsense"}}}, "after.hires.first"),
        ({"source": {"kind": "image", "images": ["sha256:" + "f" * 64]}}, "source.images[0]"),
    ):
        reply = served.client.post("/api/v1/jobs", json={"request": {**small, **request}})
        assert (reply.status_code, reply.json().get("field")) == (422, field), reply.text


def test_interrogate_says_which_model_is_missing(served: Any) -> None:
    def interrogate(**body: Any) -> tuple[int, str]:
        reply = served.client.post("/sdapi/v1/interrogate", json=body)
        return reply.status_code, reply.json()["detail"]

    for model, name in (("clip", "BLIP"), ("deepdanbooru", "DeepDanbooru")):
        status, told = interrogate(image=text(gradient()), model=model)
        assert status == 501
        assert name in told
    assert interrogate(image=text(gradient()), model="gpt") == (404, "Model not found Known: clip, deepdanbooru.")
    assert interrogate(image="x", model="clip")[0] == 422


def test_the_picture_carries_the_papers_of_its_source(served: Any) -> None:
    answer = made(ask(served, denoising_strength=0.4))[2]
    papers = read_papers(base64.b64decode(answer["images"][0]))
    assert papers.request is not None
    source = json.loads(papers.request)["request"]["source"]
    assert source["strength"] == 0.4
    assert served.engine.inputs.open(source["images"][0]).size == (64, 72)
