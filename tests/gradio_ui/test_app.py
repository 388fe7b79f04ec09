"""The page's routes and its HTML, over a small engine."""

import hashlib
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from starlette.testclient import TestClient

from modules.imaging.metadata import read_papers
from tests.gradio_ui.fake_services import fake_app


@pytest.fixture(scope="module")
def services(fakes: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return fakes.fake_services(tmp_path_factory.mktemp("data"), 0.005)


@pytest.fixture(scope="module")
def client(fakes: Any, services: Any) -> TestClient:
    return TestClient(fakes.fake_app(services))


def finished(client: TestClient, services: Any, prompt: str, batch_count: int = 1) -> dict[str, Any]:
    from modules.processing.requests import Generate, Prompt, Sampling, Shape

    request = Generate(
        prompt=Prompt(positive=prompt),
        shape=Shape(width=64, height=64, batch_count=batch_count),
        sampling=Sampling(sampler="Euler a", steps=2),
    )
    job = services.queue.submit("generate", request.to_json(), tag="txt2img")
    for _ in range(200):
        found = client.get(f"/easel/jobs/{job.id}").json()
        if found["state"] not in ("queued", "running"):
            return found
        time.sleep(0.02)
    raise AssertionError(f"The job did not end: {found}")


def test_the_page_asks_no_other_host_and_runs_our_scripts_first(client: TestClient) -> None:
    page = client.get("/").text
    assert "googleapis" not in page
    assert "gstatic" not in page
    assert 0 < page.index("assets/easel/script.js") < page.index("gradio_config")


def test_the_page_below_a_subpath_is_ours_too(services: Any) -> None:
    page = TestClient(fake_app(services), root_path="/sd").get("/sd/").text
    assert "googleapis" not in page
    assert 0 < page.index("assets/easel/script.js") < page.index("gradio_config")


def test_every_script_and_style_of_the_page_is_served(client: TestClient) -> None:
    import re

    for address in re.findall(r'"(assets/easel/[^"]+)"', client.get("/").text):
        reply = client.get(f"/{address}")
        assert reply.status_code == 200, address
        assert reply.headers["content-type"].split(";")[0] in ("text/javascript", "application/javascript", "text/css")


def test_a_picture_of_a_job_is_kept_to_work_on_with_what_it_says(client: TestClient, services: Any) -> None:
    job = finished(client, services, "an apple")
    kept = client.post(f"/easel/jobs/{job['id']}/pictures/0/take").json()
    assert (kept["width"], kept["height"]) == (64, 64)
    shown = client.get(f"/easel/inputs/{kept['reference'].removeprefix('sha256:')}")
    assert read_papers(shown.content).infotext == job["pictures"][0]["infotext"]
    saved = Image.open(services.queue.snapshot(job["id"]).pictures[0].path)
    assert Image.open(io.BytesIO(shown.content)).tobytes() == saved.convert("RGB").tobytes()
    assert client.post(f"/easel/jobs/{job['id']}/pictures/7/take").status_code == 404


def test_a_picture_of_ones_own_is_kept_upright(client: TestClient) -> None:
    raw, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # stands on its side
    Image.new("RGB", (40, 24), "red").save(raw, "JPEG", exif=exif)
    kept = client.post("/easel/inputs?name=C:/photos/a.jpg", content=raw.getvalue()).json()
    assert (kept["name"], kept["width"], kept["height"]) == ("a.jpg", 24, 40)
    assert client.post("/easel/inputs", content=b"not a picture").status_code == 422
    assert client.get(f"/easel/inputs/{'0' * 64}").status_code == 404


def test_a_picture_of_another_program_is_told_in_our_fields(client: TestClient) -> None:
    raw, chunks = io.BytesIO(), PngInfo()
    chunks.add_text("Software", "NovelAI")
    chunks.add_text("Description", "a girl")
    chunks.add_text("Comment", json.dumps({"uc": "fog", "scale": 5, "steps": 28, "seed": 3, "noise": 0.2}))
    Image.new("RGB", (8, 8)).save(raw, "PNG", pnginfo=chunks)
    found = client.post("/easel/read-picture", content=raw.getvalue()).json()
    assert found["foreign"] == {"program": "NovelAI", "unknown": ["noise: 0.2"]}
    assert (found["fields"]["Prompt"], found["fields"]["Sampler"], found["fields"]["Size"]) == (
        "a girl",
        "Euler a",
        "8x8",
    )
    assert found["items"]["Software"] == "NovelAI"


def test_a_picture_is_the_saved_file_itself(client: TestClient, services: Any) -> None:
    job = finished(client, services, "an apple")
    reply = client.get(f"/easel/jobs/{job['id']}/pictures/0")
    saved = Path(services.queue.snapshot(job["id"]).pictures[0].path).read_bytes()
    assert hashlib.sha256(reply.content).digest() == hashlib.sha256(saved).digest()
    assert reply.headers["content-type"] == "image/png"
    assert "path" not in json.dumps(job["pictures"])


def test_saving_copies_the_file_once(client: TestClient, services: Any) -> None:
    job = finished(client, services, "a pear")
    names = {client.post(f"/easel/jobs/{job['id']}/pictures/0/save").json()["saved"] for _ in range(2)}
    kept = list((services.paths.data / "log" / "images").glob("*.png"))
    assert names == {one.name for one in kept}


def test_saving_can_take_the_whole_job_into_folders_without_a_log(client: TestClient, services: Any) -> None:
    job = finished(client, services, "two plums", batch_count=2)
    changes = {"save_selected_only": False, "use_save_to_dirs_for_ui": True, "save_write_log_csv": False}
    services.settings.update({**changes, "outdir_save": "kept", "directories_filename_pattern": "[seed]"})
    assert len(client.post(f"/easel/jobs/{job['id']}/pictures/1/save").json()["saved"].split(", ")) == 2
    kept = {one.relative_to(services.paths.data / "kept") for one in (services.paths.data / "kept").rglob("*.*")}
    assert kept == {Path(str(one["seed"])) / one["name"] for one in job["pictures"]}
    services.settings.update(
        {"save_selected_only": True, "use_save_to_dirs_for_ui": False, "outdir_save": "log/images"}
    )


def test_the_last_job_of_a_tab_is_found_again(client: TestClient, services: Any) -> None:
    job = finished(client, services, "a plum")
    assert [one["id"] for one in client.get("/easel/jobs?tag=txt2img&last=1").json()] == [job["id"]]


def test_a_failed_job_says_what_and_what_to_do(client: TestClient, services: Any) -> None:
    job = finished(client, services, "fail")
    assert job["error"]["message"] == "The decoded picture was not a number."
    assert job["error"]["hint"] == "Try fp32."


@pytest.mark.parametrize("path", ["/easel/jobs/nope", "/easel/jobs/nope/pictures/0", "/easel/jobs/nope/preview"])
def test_an_unknown_job_is_404_with_words(client: TestClient, path: str) -> None:
    reply = client.get(path)
    assert reply.status_code == 404
    assert "nope" in reply.json()["error"]


def test_a_wrong_setting_changes_nothing_and_says_why(client: TestClient, services: Any) -> None:
    wish = {"changes": {"localization": "zh", "live_preview_refresh_period": 5}}
    reply = client.post("/easel/settings", json=wish)
    assert reply.status_code == 422
    assert "100" in reply.json()["error"]
    assert services.settings.get("localization") == "browser"


def test_what_a_paper_says_in_vain_is_told(client: TestClient) -> None:
    paper = "cat\nSteps: 9, Sampler: [Forge] Flux Realistic, Seed: 7, Size: 64x72, Distilled CFG Scale: 3.5"
    found = client.post("/easel/parse", json={"infotext": paper}).json()
    assert sorted(found["unknown"]) == ["Distilled CFG Scale", "Sampler"]
    assert found["fields"]["Sampler"] == "[Forge] Flux Realistic"
    assert found["missed"] == []
    found = client.post("/easel/parse", json={"infotext": f'{paper}, TI hashes: "gone: 0123456789ab"'}).json()
    assert found["missed"] == ["The embedding gone [0123456789ab] is not here."]


def test_gradio_serves_no_file_outside(client: TestClient) -> None:
    assert client.get("/gradio_api/file=/etc/hostname").status_code in (403, 404)


def test_a_double_press_is_one_job(services: Any) -> None:
    first = services.queue.submit("generate", {}, id="a" * 32)
    assert services.queue.submit("generate", {}, id="a" * 32) is first
    services.queue.cancel(first.id)


def page_with(fakes: Any, tmp_path: Path, *flags: str) -> tuple[TestClient, Any]:
    import dataclasses

    from modules.core.options import parse_options

    services = dataclasses.replace(fakes.fake_services(tmp_path, 0.005), options=parse_options(flags))
    return TestClient(fakes.fake_app(services), client=("127.0.0.1", 5000)), services


def test_what_the_command_line_says_of_the_page_holds(fakes: Any, tmp_path: Path) -> None:
    allowed, secret = tmp_path / "allowed", tmp_path / "secret"
    for folder in (allowed, secret):
        folder.mkdir()
        (folder / "note.html").write_text("<script>1</script>")
    flags = ["--gradio-allowed-path", str(allowed), "--hide-ui-dir-config"]
    client, services = page_with(
        fakes, tmp_path, *flags, "--freeze-settings-in-sections", "User interface,Stable Diffusion"
    )
    shown = client.get(f"/gradio_api/file={allowed / 'note.html'}")
    assert shown.text == "<script>1</script>"
    assert client.get(f"/gradio_api/file={secret / 'note.html'}").status_code == 403
    keys = {one["key"] for one in client.get("/easel/settings").json()}
    assert "jpeg_quality" in keys
    assert not [key for key in keys if key.startswith("outdir")]
    reply = client.post("/easel/settings", json={"changes": {"jpeg_quality": 70, "gradio_theme_mode": "dark"}})
    assert reply.status_code == 422
    assert "gradio_theme_mode" in reply.json()["error"]
    assert services.settings.get("jpeg_quality") == 80
    assert client.post("/easel/models/choose", json={"title": "landscapes"}).status_code == 422
    assert client.post("/easel/settings", json={"changes": {"jpeg_quality": 70}}).json()["values"]["jpeg_quality"] == 70


def test_an_unknown_checkpoint_is_not_chosen(client: TestClient, services: Any) -> None:
    before = services.settings.get("sd_model_checkpoint")
    for path, wish in (
        ("/easel/models/choose", {"title": "lost"}),
        ("/easel/settings", {"changes": {"sd_model_checkpoint": "lost"}}),
    ):
        reply = client.post(path, json=wish)
        assert (reply.status_code, reply.json()["field"]) == (422, "sd_model_checkpoint"), path
    assert services.settings.get("sd_model_checkpoint") == before
    title = client.get("/easel/models").json()["titles"][1]
    assert client.post("/easel/models/choose", json={"title": title}).json()["model"]["title"] == title
    services.settings.update({"sd_model_checkpoint": before})


FROM_HERE = {"host": "127.0.0.1:7860"}
STRANGERS = [
    {"host": "easel.example"},
    {"host": "127.0.0.1.example:7860"},
    {**FROM_HERE, "x-forwarded-for": "10.0.0.9"},
    {**FROM_HERE, "X-Forwarded-Proto": "https"},
    {**FROM_HERE, "forwarded": "for=10.0.0.9"},
    {**FROM_HERE, "x-real-ip": "10.0.0.9"},
]


@pytest.mark.parametrize("headers", [FROM_HERE, {"host": "localhost"}, {"host": "[::1]:7860"}])
def test_the_person_at_this_machine_may_change_their_folders(
    fakes: Any, tmp_path: Path, headers: dict[str, str]
) -> None:
    client, services = page_with(fakes, tmp_path)
    settings = {one["key"]: one for one in client.get("/easel/settings", headers=headers).json()}
    assert all(one["editable"] for one in settings.values())
    change = {"changes": {"outdir_save": "kept"}}
    assert client.post("/easel/settings", json=change, headers=headers).json()["values"] == {"outdir_save": "kept"}
    assert services.settings.get("outdir_save") == "kept"


@pytest.mark.parametrize("headers", STRANGERS)
def test_nobody_behind_a_proxy_is_taken_for_the_owner(fakes: Any, tmp_path: Path, headers: dict[str, str]) -> None:
    client, services = page_with(fakes, tmp_path)
    settings = client.get("/easel/settings", headers=headers).json()
    assert {one["key"] for one in settings if not one["editable"]} == {
        one["key"] for one in settings if one["scope"] == "admin"
    }
    reply = client.post("/easel/settings", json={"changes": {"outdir_save": "kept"}}, headers=headers)
    assert reply.status_code == 422
    assert services.settings.get("outdir_save") == "log/images"


def test_what_the_command_line_fixes_is_shown_as_fixed(fakes: Any, tmp_path: Path) -> None:
    import dataclasses

    from modules.core.settings import Settings

    services = dataclasses.replace(page_with(fakes, tmp_path)[1], settings=Settings(forced={"jpeg_quality": 70}))
    client = TestClient(fake_app(services), headers=FROM_HERE, client=("127.0.0.1", 5))
    settings = client.get("/easel/settings").json()
    assert [one["key"] for one in settings if not one["editable"]] == ["jpeg_quality"]
    reply = client.post("/easel/settings", json={"changes": {"jpeg_quality": 90}})
    assert (reply.status_code, reply.json()["field"]) == (422, "jpeg_quality")


def test_folders_are_settings_like_others_by_default(client: TestClient) -> None:
    assert "outdir_samples" in {one["key"] for one in client.get("/easel/settings").json()}
