"""/sdapi/v1 as a client meets it: real requests through real HTTP to a real engine."""

from __future__ import annotations

import base64
import concurrent.futures
import http.client
import io
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from modules.processing.samplers import samplers
from modules.processing.schedules import schedules
from modules.processing.upscalers import LATENT_MODES

TXT2IMG, PROGRESS = "/sdapi/v1/txt2img", "/sdapi/v1/progress"
WAIT_S = 60.0
SMALL: dict[str, Any] = {"steps": 2, "width": 64, "height": 72, "seed": 5}
# every field of A1111's own schema at its default, as its interactive page and generated clients send it
DEFAULTS: dict[str, Any] = {
    "prompt": "", "negative_prompt": "", "styles": None, "seed": -1, "subseed": -1, "subseed_strength": 0,
    "seed_resize_from_h": -1, "seed_resize_from_w": -1, "sampler_name": None, "scheduler": None, "batch_size": 1,
    "n_iter": 1, "steps": 50, "cfg_scale": 7.0, "width": 512, "height": 512, "restore_faces": None, "tiling": None,
    "do_not_save_samples": False, "do_not_save_grid": False, "eta": None, "denoising_strength": None,
    "s_min_uncond": None, "s_churn": None, "s_tmax": None, "s_tmin": None, "s_noise": None, "override_settings": None,
    "override_settings_restore_afterwards": True, "refiner_checkpoint": None, "refiner_switch_at": None,
    "disable_extra_networks": False, "firstpass_image": None, "comments": None, "enable_hr": False,
    "firstphase_width": 0, "firstphase_height": 0, "hr_scale": 2.0, "hr_upscaler": None, "hr_second_pass_steps": 0,
    "hr_resize_x": 0, "hr_resize_y": 0, "hr_checkpoint_name": None, "hr_sampler_name": None, "hr_scheduler": None,
    "hr_prompt": "", "hr_negative_prompt": "", "force_task_id": None, "sampler_index": "Euler", "script_name": None,
    "script_args": [], "send_images": True, "save_images": False, "alwayson_scripts": {}, "infotext": None,
}  # fmt: skip
CLIENTS: dict[str, dict[str, Any]] = {
    "A1111 defaults": DEFAULTS,
    "all null": dict.fromkeys(DEFAULTS),
    "a Python wrapper": {
        **DEFAULTS, "hr_upscaler": "Latent", "denoising_strength": 0.7, "styles": [], "seed_resize_from_h": 0,
        "seed_resize_from_w": 0, "restore_faces": False, "tiling": False, "eta": 1.0, "s_churn": 0, "s_tmax": 0,
        "s_tmin": 0, "s_noise": 1, "sampler_name": "Euler a", "sampler_index": "Euler a", "override_settings": {},
        "use_deprecated_controlnet": False,
    },
    "a chat front end": {
        "prompt": "cat", "negative_prompt": "", "sampler_name": "DPM++ 2M Karras", "scheduler": "Automatic",
        "cfg_scale": 7, "override_settings": {"CLIP_stop_at_last_layers": 2}, "clip_skip": 2, "restore_faces": False,
        "override_settings_restore_afterwards": True, "enable_hr": False, "hr_upscaler": "Latent", "hr_scale": 2,
        "hr_additional_modules": [], "denoising_strength": 0.7, "hr_second_pass_steps": 0, "save_images": True,
        "send_images": True, "do_not_save_grid": False, "do_not_save_samples": False, "script_args": [],
    },
    "an old script": {"prompt": "puppy dog", "sampler_index": "k_euler_a", "n_iter": 2},
}  # fmt: skip


def ask(served: Any, **body: Any) -> Any:
    return served.client.post(TXT2IMG, json={**SMALL, **body})


def made(reply: Any) -> tuple[list[Image.Image], dict[str, Any], dict[str, Any]]:
    """The pictures, the info, and the whole answer."""
    assert reply.status_code == 200, reply.text
    answer = reply.json()
    images = [Image.open(io.BytesIO(base64.b64decode(one)), formats=("PNG",)) for one in answer["images"]]
    return images, json.loads(answer["info"]), answer


@pytest.mark.parametrize("client", CLIENTS)
def test_the_bodies_of_real_clients_are_granted(served: Any, client: str) -> None:
    body = {**CLIENTS[client], **SMALL}
    images, info, answer = made(served.client.post(TXT2IMG, json=body))
    samples = [one for one in images if one.size == (64, 72)]
    assert len(samples) == (body.get("n_iter") or 1)
    assert info["all_seeds"] == [5 + k for k in range(len(samples))]
    assert samples[0].info["parameters"] == info["infotexts"][info["index_of_first_image"]]
    unknown = {"a Python wrapper": 1, "a chat front end": 2}.get(client, 0)
    assert len(answer["warnings"]) == unknown, answer["warnings"]
    nowhere = {"comments"}  # A1111 shows them on its page alone: no reply, no picture has them
    assert set(answer["parameters"]) >= set(DEFAULTS) - nowhere


@pytest.mark.parametrize(("kept_back", "saved"), [
    ({}, {"sample", "grid"}),
    ({"do_not_save_samples": True}, {"grid"}),
    ({"do_not_save_grid": True}, {"sample"}),
    ({"do_not_save_samples": True, "do_not_save_grid": True}, set()),
    ({"save_images": False}, set()),
])  # fmt: skip
def test_samples_and_grid_are_saved_or_kept_back_each(served: Any, kept_back: dict[str, Any], saved: set[str]) -> None:
    made(ask(served, **{"n_iter": 2, "save_images": True, **kept_back}))
    pictures = served.queue.snapshot(served.queue.list()[-1].id).pictures
    assert {one.kind for one in pictures if one.saved} == saved


def test_comments_that_nothing_would_show_are_told(served: Any) -> None:
    assert "'comments'" in made(ask(served, comments={"from": "me"}))[2]["warnings"][0]


def test_a_combined_sampler_name_wins_over_the_schedule(served: Any) -> None:
    _, info, _ = made(ask(served, sampler_name="Euler a Exponential", scheduler="Karras"))
    assert (info["sampler_name"], info["scheduler"]) == ("Euler a", "Exponential")


def test_an_infotext_makes_its_picture_again(served: Any) -> None:
    wish = {"prompt": "a (blue:1.2) door", "negative_prompt": "fog", "sampler_name": "DPM++ 2M", "scheduler": "Karras"}
    wish |= {"subseed": 9, "subseed_strength": 0.5, "cfg_scale": 4.5, "steps": 4}
    wish |= {"override_settings": {"CLIP_stop_at_last_layers": 2, "sd_model_checkpoint": "other"}}
    (first,), info, _ = made(ask(served, **wish))
    again, again_info, answer = made(served.client.post(TXT2IMG, json={"infotext": info["infotexts"][0]}))
    assert again_info["infotexts"] == info["infotexts"]
    assert again[0].tobytes() == first.tobytes()
    assert answer["warnings"] == []
    assert answer["parameters"]["override_settings"]["sd_model_checkpoint"].startswith("other")
    assert made(ask(served))[1]["sd_model_name"] == "tiny", "the infotext's model was for that call alone"


def test_named_fields_win_over_the_infotext(served: Any) -> None:
    text = (
        "a door\nNegative prompt: fog\nSteps: 9, Sampler: Euler a, CFG scale: 3, Seed: 77, Size: 128x64, Clip skip: 2"
    )
    body = {"infotext": text, "steps": 2, "sampler_index": "Heun", "prompt": "", "seed": None}
    body |= {"override_settings": {"CLIP_stop_at_last_layers": 1}}
    images, info, _ = made(served.client.post(TXT2IMG, json=body))
    assert images[0].size == (128, 64)
    named = (info["steps"], info["sampler_name"], info["prompt"], info["clip_skip"])
    assert named == (2, "Heun", "", 1)
    assert (info["negative_prompt"], info["cfg_scale"], info["seed"]) == ("fog", 3, 77), "null is not a name"


def test_what_an_infotext_says_in_vain_is_told(served: Any) -> None:
    text = "cat\nSteps: 2, Sampler: Nobody's, Schedule type: Odd, CFG scale: 3, Seed: 7, Size: 64x64, Model hash: "
    text += "abcdef0123, Model: tin, VAE: lost.safetensors, Refiner: gone [0123456789], Masked cat: 2"
    _, info, answer = made(served.client.post(TXT2IMG, json={"infotext": text, "sampler_name": "Euler"}))
    assert info["sd_model_name"] == "tiny"
    for word in ("Nobody's", "Odd", "'tin [abcdef0123]' is not here", "lost.safetensors", "gone", "Masked cat"):
        assert sum(word in one for one in answer["warnings"]) == 1, (word, answer["warnings"])


def test_a_model_of_the_same_name_but_another_hash_is_not_taken_for_it(served: Any) -> None:
    served.engine.catalog.hash_now(served.engine.catalog.find_checkpoint("other"))
    served.engine.catalog.refresh()
    text = "cat\nSteps: 2, Sampler: Euler, CFG scale: 3, Seed: 7, Size: 64x64, Model hash: abcdef0123, Model: other"
    _, info, answer = made(served.client.post(TXT2IMG, json={"infotext": text}))
    assert info["sd_model_name"] == "tiny"
    assert "other [abcdef0123]" in answer["warnings"][0]


REFUSED = [
    ({"steps": 151}, "steps", ("151", "1 to 150")),
    ({"steps": 0}, "steps", ("0", "1 to 150")),
    ({"steps": "many"}, "steps", ("'many'", "integer")),
    ({"width": 9000, "height": 9000}, "width", ("81000000", "4194304")),
    ({"height": 8}, "height", ("8", "64 to 16384")),
    ({"n_iter": 101}, "n_iter", ("101", "100")),
    ({"n_iter": 0}, "n_iter", ("0", "1 to")),
    ({"batch_size": 65}, "batch_size", ("65", "1 to 64")),
    ({"subseed_strength": 3}, "subseed_strength", ("3", "0 to 1")),
    ({"seed": -7}, "seed", ("-7", "-1")),
    ({"seed_resize_from_w": 20000}, "seed_resize_from_w", ("20000", "16384")),
    ({"sampler_name": "Eular"}, "sampler_name", ("'Eular'", "Did you mean Euler")),
    ({"scheduler": "karas"}, "scheduler", ("'karas'", "Did you mean Karras")),
    ({"override_settings": {"CLIP_skip": 1}}, "override_settings", ("CLIP_skip",)),
    ({"styles": ["nope"]}, "styles", ("'nope'",)),
    ({"script_name": "X/Y/Z"}, "script_name", ("X/Y/Z", "not found")),
    ({"script_name": "X/Y/Z plot", "script_args": {"x_typ": "Steps"}}, "script_args", ("x_type",)),
    ({"enable_hr": True, "hr_upscaler": "Lanczas"}, "hr_upscaler", ("'Lanczas'", "Did you mean Lanczos")),
    ({"enable_hr": True, "hr_second_pass_steps": 151}, "hr_second_pass_steps", ("151", "0 to 150")),
    ({"enable_hr": True, "denoising_strength": 1.5}, "denoising_strength", ("1.5", "0 to 1")),
    ({"enable_hr": True, "firstpass_image": "xxxx"}, "firstpass_image", ("picture",)),
    ({"firstpass_image": "xxxx"}, "firstpass_image", ("enable_hr",)),
    ({"easel_method": "big"}, "easel_method", ("'big'", "'windows'")),
    ({"alwayson_scripts": {"ControlNet": {"args": []}}}, "alwayson_scripts", ("ControlNet",)),
    ({"force_task_id": "a b"}, "force_task_id", ("'a b'", "letters")),
    ({"cfg_scale": float("nan")}, "cfg_scale", ("NaN",)),
    ({"prompt": 5}, "prompt", ("5", "string")),
]


@pytest.mark.parametrize(("body", "field", "words"), REFUSED)
def test_a_refusal_names_the_field_what_came_and_what_was_expected(
    served: Any, body: dict[str, Any], field: str, words: tuple[str, ...]
) -> None:
    before = served.queue.counts()
    raw = json.dumps({**SMALL, **body})
    reply = served.client.post(TXT2IMG, content=raw, headers={"content-type": "application/json"})
    assert reply.status_code == 422
    told = reply.json()
    assert told.get("field", told["errors"].split(":")[0]).endswith(field) or field in told["errors"], told
    assert [word for word in (field, *words) if word not in json.dumps(told)] == [], told
    assert served.queue.counts() == before


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ('{"prompt": ', "Expecting value at character 11"),
        ("[" * 200_000, "recursion"),
        (b'{"prompt": "\xff"}', "utf-8"),
        ('{"seed": ' + "9" * 5000 + "}", "digits"),
    ],
)
def test_a_body_that_cannot_be_read_says_why(served: Any, body: str | bytes, word: str) -> None:
    reply = served.client.post(TXT2IMG, content=body, headers={"content-type": "application/json"})
    assert reply.status_code in (400, 422)
    assert word in reply.json()["errors"]


def test_a_body_that_is_too_large_says_by_how_much(served: Any) -> None:
    address = served.client.base_url
    connection = http.client.HTTPConnection(address.host, address.port, timeout=60)
    connection.putrequest("POST", TXT2IMG)
    for name, value in (("content-type", "application/json"), ("content-length", str(100 * 2**20 + 1))):
        connection.putheader(name, value)
    connection.endheaders()  # the length alone is answered: nothing of the body is sent
    reply = connection.getresponse()
    told = json.loads(reply.read())["detail"]
    connection.close()
    assert reply.status == 413
    assert "104857601 bytes" in told
    assert "104857600 bytes" in told


@pytest.fixture
def at_work(served: Any) -> Iterator[str]:
    """The id of a job of four batches of two that runs while the test looks at it."""
    id = "task(at-work)" + str(len(served.queue.list()))
    body = {**SMALL, "width": 128, "height": 128, "steps": 150, "n_iter": 4, "batch_size": 2, "force_task_id": id}
    answer: list[Any] = []
    caller = threading.Thread(target=lambda: answer.append(served.client.post(TXT2IMG, json=body)))
    caller.start()
    yield id
    served.client.post("/sdapi/v1/interrupt")
    caller.join()
    assert answer[0].status_code == 200, "an interrupted call still answers"


def test_progress_is_live_and_skip_and_interrupt_are_told(served: Any, at_work: str, until: Any) -> None:
    def state() -> dict[str, Any]:
        return served.client.get(PROGRESS, params={"skip_current_image": True}).json()["state"]

    def seen(wanted: Any, what: str) -> dict[str, Any]:
        return until(state, wanted, what)

    first = seen(lambda now: now["job"] == at_work and now["sampling_step"] > 0, "no step is told")
    assert (first["job_count"], first["job_no"], first["sampling_steps"]) == (4, 0, 150)
    assert (first["skipped"], first["interrupted"], first["stopping_generation"]) == (False, False, False)
    assert len(first["job_timestamp"]) == 14
    later = seen(lambda now: now["sampling_step"] > first["sampling_step"] or now["job_no"], "steps stand still")
    assert later["job"] == at_work
    whole = until(lambda: served.client.get(PROGRESS).json(), lambda now: now["current_image"], "there is no preview")
    assert Image.open(io.BytesIO(base64.b64decode(whole["current_image"]))).size == (16, 16)
    assert 0 < whole["progress"] < 1
    assert whole["eta_relative"] > 0
    assert served.client.get(PROGRESS, params={"skip_current_image": True}).json()["current_image"] is None
    page = served.client.post("/internal/progress", json={"id_task": at_work}).json()
    assert (page["active"], page["queued"], page["completed"]) == (True, False, False)
    assert served.client.post("/sdapi/v1/skip").json() is None
    skipped = seen(lambda now: now["skipped"] or now["job_no"] > first["job_no"], "the skip is not told")
    seen(lambda now: now["job_no"] > first["job_no"] and not now["skipped"], "the next batch did not begin")
    assert skipped["job"] == at_work
    assert served.client.post("/sdapi/v1/interrupt").json() == {}
    seen(lambda now: now["job"] == "", "the interrupt had no effect")
    assert served.client.post("/internal/progress", json={"id_task": at_work}).json()["completed"]


def test_at_rest_progress_is_nought(served: Any) -> None:
    state = {"skipped": False, "interrupted": False, "stopping_generation": False, "job": "", "job_count": 0}
    state |= {"job_timestamp": "0", "job_no": 0, "sampling_step": 0, "sampling_steps": 0}
    rest = {"progress": 0.0, "eta_relative": 0.0, "state": state, "current_image": None, "textinfo": None}
    assert served.client.get(PROGRESS).json() == rest
    assert served.client.post("/sdapi/v1/interrupt").json() == {}
    assert served.client.post("/sdapi/v1/skip").json() is None


def test_the_same_task_id_gives_the_same_pictures_and_no_others(served: Any) -> None:
    first = ask(served, prompt="one", force_task_id="mine", seed=-1).json()["images"]
    assert ask(served, prompt="one", force_task_id="mine", seed=-1).json()["images"] == first
    other = ask(served, prompt="two", force_task_id="mine")
    assert (other.status_code, other.json()["field"]) == (422, "force_task_id")


def test_only_post_options_changes_settings(served: Any) -> None:
    client = served.client
    before = client.get("/sdapi/v1/options").json()
    assert before["sd_model_checkpoint"].startswith("tiny")
    ask(
        served,
        override_settings={"CLIP_stop_at_last_layers": 2, "samples_format": "webp", "sd_model_checkpoint": "other"},
    )
    assert client.get("/sdapi/v1/options").json() == before
    assert client.post("/sdapi/v1/options", json={"samples_format": "webp"}).json() is None
    picture = base64.b64decode(ask(served).json()["images"][0])
    assert client.post("/sdapi/v1/options", json={"samples_format": "png"}).status_code == 200
    assert picture[8:12] == b"WEBP"
    assert client.get("/sdapi/v1/options").json() == before


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"samples_format": "webp", "no_such": 1}, "no_such"), ({"api_max_pixels": 9999}, "api_max_pixels"),
        ({"sd_model_checkpoint": "lost"}, "sd_model_checkpoint"), ({"samples_format": "bmp"}, "samples_format"),
        ({"sd_model_checkpoint": 5}, "sd_model_checkpoint"),
    ],
)  # fmt: skip
def test_options_are_changed_all_or_none(served: Any, changes: dict[str, Any], field: str) -> None:
    before = served.client.get("/sdapi/v1/options").json()
    reply = served.client.post("/sdapi/v1/options", json=changes)
    assert (reply.status_code, reply.json()["field"]) == (422, field)
    assert served.client.get("/sdapi/v1/options").json() == before


def test_the_lists_say_what_there_is(served: Any) -> None:
    def names(route: str, key: str = "name") -> list[str]:
        return [one[key] for one in served.client.get(f"/sdapi/v1/{route}").json()]

    assert names("samplers") == samplers.names()
    assert names("schedulers", "label") == schedules.names()
    assert sorted(names("sd-models", "model_name")) == ["easel-mini", "other", "tiny"]  # the embedded one always
    assert names("sd-vae", "model_name") == []
    assert names("latent-upscale-modes") == list(LATENT_MODES)
    assert names("upscalers") == served.engine.upscalers.names() == ["None", "Lanczos", "Nearest"]
    assert names("realesrgan-models") == names("face-restorers") == []
    served.engine.styles.save("oil", "{prompt}, oil", "photo")
    style = {"name": "oil", "prompt": "{prompt}, oil", "negative_prompt": "photo"}
    assert served.client.get("/sdapi/v1/prompt-styles").json() == [style]
    assert made(ask(served, prompt="cat", styles=["oil"]))[1]["prompt"] == "cat, oil"
    assert served.client.get("/sdapi/v1/embeddings").json() == {"loaded": {}, "skipped": {}}
    flags = served.client.get("/sdapi/v1/cmd-flags").json()
    assert flags["nowebui"] is True
    hidden = ("api_auth", "gradio_auth", "gradio_auth_path", "data_dir", "models_dir", "vae_path", "tls_keyfile")
    assert [key for key in hidden if key in flags] == []


def test_embeddings_are_loaded_or_skipped_with_the_reason(served: Any) -> None:
    folder = served.engine.paths.data / "embeddings"
    folder.mkdir()
    save_file({"emb_params": torch.zeros(3, 32)}, folder / "fits.safetensors")
    save_file({"clip_l": torch.zeros(2, 768), "clip_g": torch.zeros(2, 1280)}, folder / "xl.safetensors")
    (folder / "old.pt").write_bytes(b"PK")
    try:
        assert served.client.post("/sdapi/v1/refresh-embeddings").json() is None
        found = served.client.get("/sdapi/v1/embeddings").json()
        fact = {"step": None, "sd_checkpoint": None, "sd_checkpoint_name": None}
        assert found["loaded"] == {"fits": {**fact, "shape": 32, "vectors": 3}}
        assert found["skipped"]["xl"]["shape"] == 2048
        assert "768 and 1280 numbers, the model's 32" in found["skipped"]["xl"]["reason"]
        assert "pickle" in found["skipped"]["old"]["reason"]
    finally:
        for one in folder.iterdir():
            one.unlink()
        folder.rmdir()
        served.engine.embeddings.refresh()


def test_new_files_are_found_after_a_refresh(served: Any) -> None:
    folder = served.engine.paths.models / "Stable-diffusion"
    (folder / "other").rename(folder / "renamed")
    try:
        assert served.client.post("/sdapi/v1/refresh-checkpoints").json() is None
        found = [one["model_name"] for one in served.client.get("/sdapi/v1/sd-models").json()]
        assert sorted(found) == ["easel-mini", "renamed", "tiny"]
    finally:
        (folder / "renamed").rename(folder / "other")
        assert served.client.post("/sdapi/v1/refresh-vae").json() is None


def test_the_model_can_be_put_away_and_taken_again(served: Any) -> None:
    assert served.client.post("/sdapi/v1/unload-checkpoint").json() == {}
    assert served.engine.status().state == "cold"
    assert served.client.post("/sdapi/v1/reload-checkpoint").json() == {}
    assert served.engine.status().state == "ready"


def test_memory_is_told_in_bytes(served: Any) -> None:
    told = served.client.get("/sdapi/v1/memory").json()
    assert 0 < told["ram"]["used"] < told["ram"]["total"]
    assert 0 < told["ram"]["free"] < told["ram"]["total"]
    assert set(told["cuda"]) in ({"error"}, {"system", "active", "allocated", "reserved", "inactive", "events"})


def test_png_info_reads_what_txt2img_wrote(served: Any) -> None:
    answer = ask(served, prompt="cat: a, b").json()
    read = served.client.post("/sdapi/v1/png-info", json={"image": answer["images"][0]}).json()
    assert read["info"] == json.loads(answer["info"])["infotexts"][0]
    assert (read["parameters"]["Prompt"], read["parameters"]["Size-2"]) == ("cat: a, b", "72")
    assert json.loads(read["items"]["easel"])["request"]["prompt"]["positive"] == "cat: a, b"
    for wrong in ("", "xxxx", "http://127.0.0.1/x.png"):
        reply = served.client.post("/sdapi/v1/png-info", json={"image": wrong})
        assert (reply.status_code, reply.json()["field"]) == (422, "image")


def test_a_full_queue_is_503_on_every_route_and_loses_nothing(resting: Any) -> None:
    wish = {"request": {"shape": {"width": 64, "height": 64}}}
    assert [resting.client.post("/api/v1/jobs", json=wish).status_code for _ in range(3)] == [202, 202, 503]
    for route, body in ((TXT2IMG, SMALL), ("/api/v1/jobs", wish)):
        reply = resting.client.post(route, json=body)
        assert (reply.status_code, int(reply.headers["retry-after"]) > 0) == (503, True)
        assert "2 jobs wait already" in reply.json()["detail"]
    assert resting.queue.counts() == {"queued": 2}


def test_calls_that_wait_are_answered_when_the_server_stops(resting: Any, until: Any) -> None:
    answers: list[Any] = []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        picture = pool.submit(resting.client.post, TXT2IMG, json={**SMALL, "force_task_id": "mine"})
        until(lambda: resting.queue.counts(), lambda now: now == {"queued": 1}, "the call did not arrive")
        events = pool.submit(resting.client.get, "/api/v1/jobs/mine/events")
        until(lambda: len(resting.queue._feed._watchers), lambda now: now == 1, "no one watches")
        resting.server.should_exit = True
        answers = [picture.result(WAIT_S), events.result(WAIT_S)]
    assert answers[0].status_code == 503
    assert "The job goes on when it is started again." in answers[0].json()["detail"]
    assert [line for line in answers[1].text.split("\n") if line.startswith("event:")] == ["event: job"]


def test_events_are_taken_up_where_the_line_was_lost(resting: Any) -> None:
    """Every connection is cut at its first event that matters; together they tell the whole story once."""
    shape = {"width": 64, "height": 64, "batch_count": 3}
    wish = {"request": {"shape": shape, "sampling": {"steps": 3}, "after": {"grid": False}}}
    id = resting.client.post("/api/v1/jobs", json=wish).json()["id"]
    told: list[tuple[int, str, dict[str, Any]]] = []
    while one := next_event(resting.client, f"/api/v1/jobs/{id}/events", told[-1][0] if told else None):
        told.append(one)
        resting.queue.start()
    pictures = ["picture"] * 3
    assert [value.get("state", name) for _, name, value in told] == ["queued", "running", *pictures, "done"]
    assert len({number for number, _, _ in told}) == len(told)
    for index in range(3):
        saved = resting.client.get(f"/api/v1/jobs/{id}/pictures/{index}")
        assert saved.headers["content-type"] == "image/png"
        assert Image.open(io.BytesIO(saved.content)).size == (64, 64)


def next_event(client: Any, path: str, after: int | None) -> tuple[int, str, dict[str, Any]] | None:
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    with client.stream("GET", path, headers=headers) as stream:
        block: dict[str, str] = {}
        for line in stream.iter_lines():
            key, _, value = line.partition(": ")
            block[key] = value
            if not line and block.get("event") in ("job", "picture"):
                return int(block["id"]), block["event"], json.loads(block["data"])
        assert stream.status_code == 204, "the stream ended without the job's end"
    return None
