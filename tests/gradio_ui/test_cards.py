"""The extra-networks browser's routes over real files: what cards say, what is kept, what stays shut."""

import base64
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from starlette.testclient import TestClient

from modules.imaging.metadata import read_papers
from tests.gradio_ui.fake_services import fake_app, fake_services

EVIL = '<img src=x onerror="alert(1)">'


def data_uri() -> str:
    raw = io.BytesIO()
    Image.new("RGB", (800, 900), "teal").save(raw, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(raw.getvalue()).decode()


def lora(path: Path, **metadata: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    module = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    tensors = {f"{module}.lora_down.weight": torch.zeros(2, 320), f"{module}.lora_up.weight": torch.zeros(320, 2)}
    save_file({**tensors, f"{module}.alpha": torch.tensor(2.0)}, path, metadata=metadata)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = fake_services(tmp_path_factory.mktemp("data"), 0.005)
    folder = made.paths.models / "Lora"
    tags = json.dumps({"1_fox": {"red fox": 3, "forest": 9}, "2_fox": {"red fox": 8}})
    lora(folder / "animals" / "fox.safetensors", ss_tag_frequency=tags, ss_sd_model_name=EVIL, ss_v2="False")
    lora(folder / "thumbed.safetensors", **{"modelspec.thumbnail": data_uri()})
    (folder / "animals" / "fox.json").write_text(
        json.dumps({"description": EVIL, "activation text": "foxy", "preferred weight": 0.7, "other": 1}), "utf-8"
    )
    Image.new("RGB", (1200, 900), "orange").save(folder / "animals" / "fox.preview.png")
    (folder / "secret.txt").write_text("secret")
    made.paths.embeddings[0].mkdir(parents=True)
    save_file({"emb_params": torch.zeros(2, 768)}, made.paths.embeddings[0] / "soft.safetensors")
    return made


@pytest.fixture(scope="module")
def client(services: Any) -> TestClient:
    return TestClient(fake_app(services))


FOX = {"page": "lora", "item": "animals/fox.safetensors"}


def test_cards_tell_what_the_files_and_their_notes_say(client: TestClient) -> None:
    found = client.get("/easel/cards", params={"page": "lora"}).json()
    assert (found["count"], found["folders"]) == (2, ["animals"])
    for part in ('data-insert="fox"', 'data-family="sd1"', 'data-weight="0.7"', 'data-activation="foxy"', ">secret<"):
        assert (part in found["html"]) == (part != ">secret<")
    assert EVIL not in found["html"]
    assert "&lt;img src=x onerror=&quot;alert(1)&quot;&gt;" in found["html"]
    embeddings = client.get("/easel/cards", params={"page": "textual inversion"}).json()
    assert 'data-insert="soft"' in embeddings["html"]
    assert client.get("/easel/cards", params={"page": "elsewhere"}).status_code == 404


def test_one_card_in_full(client: TestClient) -> None:
    found = client.get("/easel/cards/one", params=FOX).json()
    assert found["words"] == ["foxy", "red fox", "forest"]
    assert found["facts"]["rank"] == "2"
    assert found["facts"]["family"] == "Stable Diffusion 1"
    assert json.loads(client.get("/sd_extra_networks/metadata", params=FOX).json()["metadata"])["ss_v2"] == "False"
    single = client.get("/sd_extra_networks/get-single-card", params={"page": "lora", "name": "fox"}).json()["html"]
    assert single.startswith('<div class="card"')


def test_previews_come_small_from_beside_and_from_inside(client: TestClient, services: Any) -> None:
    beside = services.paths.models / "Lora" / "animals" / "fox.preview.png"
    for params in (FOX, {"page": "lora", "item": "thumbed.safetensors"}, {"filename": str(beside)}):
        reply = client.get("/sd_extra_networks/thumb", params=params)
        assert reply.headers["content-type"] == "image/webp"
        assert max(Image.open(io.BytesIO(reply.content)).size) <= 512


@pytest.mark.parametrize(
    "params",
    [
        {"filename": "/etc/hostname"},
        {"filename": "../secret.txt"},
        {"page": "lora", "item": "../../config.json"},
        {"page": "lora", "item": "secret.txt"},
        {"page": "textual_inversion", "item": "soft.safetensors"},
    ],
)
def test_no_other_file_is_given_away(client: TestClient, params: dict[str, str]) -> None:
    assert client.get("/sd_extra_networks/thumb", params=params).status_code == 404


def test_notes_are_written_beside_the_file(client: TestClient, services: Any) -> None:
    wish = {"notes": {"description": "a fox", "preferred_weight": 0.9, "sd_version": "SDXL"}}
    reply = client.post("/easel/cards/notes", params=FOX, json=wish).json()
    assert 'data-weight="0.9"' in reply["html"]
    assert 'data-family="sdxl"' in reply["html"]
    told = json.loads((services.paths.models / "Lora" / "animals" / "fox.json").read_text("utf-8"))
    assert (told["description"], told["activation text"], told["other"]) == ("a fox", "foxy", 1)
    for wrong in ({"preferred_weight": "x"}, {"description": 3}, {"sd_version": "SD9"}, {"preferred_weight": 99}):
        refused = client.post("/easel/cards/notes", params=FOX, json={"notes": wrong})
        assert (refused.status_code, refused.json()["field"]) == (422, next(iter(wrong)))
    outside = client.post("/easel/cards/notes", params={"page": "lora", "item": "../x"}, json=wish)
    assert outside.status_code == 404


def test_a_picture_of_a_job_becomes_the_preview(client: TestClient, services: Any) -> None:
    from modules.processing.requests import Generate, Prompt, Sampling, Shape

    request = Generate(
        prompt=Prompt(positive="a fox"), shape=Shape(width=64, height=64), sampling=Sampling(steps=1, sampler="Euler")
    )
    job = services.queue.submit("generate", request.to_json())
    while services.queue.get(job.id).state in ("queued", "running"):
        time.sleep(0.02)
    item = {"page": "lora", "item": "thumbed.safetensors"}
    before = client.get("/sd_extra_networks/thumb", params=item).content
    assert client.post("/easel/cards/preview", params=item, json={"job": job.id, "index": 0}).status_code == 200
    made = services.paths.models / "Lora" / "thumbed.preview.png"
    assert read_papers(made).infotext.startswith("a fox")
    assert client.get("/sd_extra_networks/thumb", params=item).content != before
    assert client.post("/easel/cards/preview", params=item, json={"job": job.id, "index": 7}).status_code == 404
    assert client.post("/easel/cards/preview", params=item, json={"job": "none", "index": 0}).status_code == 404


def test_a_thousand_files_are_listed_fast(client: TestClient, services: Any, tmp_path: Path) -> None:
    folder = services.paths.models / "Lora" / "many"
    lora(folder / "one-0.safetensors")
    raw = (folder / "one-0.safetensors").read_bytes()
    for number in range(1, 1000):
        (folder / f"one-{number}.safetensors").write_bytes(raw)
        (folder / f"one-{number}.json").write_text('{"description": "one of many"}', "utf-8")
    client.get("/easel/cards", params={"page": "lora", "refresh": 1})
    begun = time.monotonic()
    found = client.get("/easel/cards", params={"page": "lora"}).json()
    seconds = time.monotonic() - begun
    print(f"1000 cards: {seconds:.2f} s, {len(found['html']) / 1e6:.2f} MB")
    assert found["count"] == 1002
    assert seconds < 3
