"""Datasets over HTTP, as served: handed in, looked over, captions written, tools used and undone."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

PATH = "/api/v1/datasets"


def png(seed: int, size: tuple[int, int] = (96, 96)) -> str:
    colours = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    raw = io.BytesIO()
    Image.fromarray(colours).resize(size, Image.Resampling.NEAREST).save(raw, "PNG")
    return base64.b64encode(raw.getvalue()).decode()


def text(words: str) -> str:
    return base64.b64encode(words.encode()).decode()


@pytest.fixture
def dataset(served: Any, request: pytest.FixtureRequest) -> str:
    name = f"set {abs(hash(request.node.name))}"
    files = [{"name": "../barn.png", "data": png(1)}, {"name": "barn.txt", "data": text("a red barn, sky")}]
    files += [{"name": "wide.png", "data": f"data:image/png;base64,{png(2, (200, 96))}"}]
    reply = served.client.post(f"{PATH}/{name}/files", json={"files": files})
    assert reply.status_code == 201, reply.text
    assert reply.json() == {"files": ["barn.png", "barn.txt", "wide.png"]}
    return name


def test_what_was_handed_in_is_listed(served: Any, dataset: str) -> None:
    assert (served.engine.paths.data / "datasets" / dataset / "barn.png").is_file()
    told = next(one for one in served.client.get(PATH).json()["datasets"] if one["name"] == dataset)
    assert (told["pictures"], told["captions"]) == (2, 1)
    assert served.client.get(f"{PATH}/{dataset}").json() == told
    assert served.client.get(f"{PATH}/nobody").status_code == 404


def test_a_dataset_is_looked_over(served: Any, dataset: str) -> None:
    options = {"size": 64, "bucket_step": 16, "batch_size": 2}
    report = served.client.post(f"{PATH}/{dataset}/lint", json=options).json()
    assert {one["code"] for one in report["findings"]} == {"caption_missing", "few_pictures", "lonely_bucket"}
    assert report["ok"]
    assert [(one["width"], one["height"]) for one in report["buckets"]] == [(64, 64), (80, 48)]
    assert served.client.post(f"{PATH}/{dataset}/lint").json()["pictures"] == 2
    for wrong, field in (({"size": 60}, "bucket_step"), ({"sise": 64}, "sise"), ({"size": "big"}, "size")):
        reply = served.client.post(f"{PATH}/{dataset}/lint", json=wrong)
        assert (reply.status_code, reply.json()["field"]) == (422, field)


def test_captions_are_read_and_written(served: Any, dataset: str) -> None:
    before = served.client.get(f"{PATH}/{dataset}/captions").json()
    assert before["captions"] == [
        {"file": "barn.png", "text": "a red barn, sky", "told_by": "text"},
        {"file": "wide.png", "text": "wide", "told_by": "name"},
    ]
    assert before["tags"] == [{"tag": "a red barn", "count": 1}, {"tag": "sky", "count": 1}]
    reply = served.client.put(f"{PATH}/{dataset}/captions", json={"captions": {"wide.png": "a wide field, sky"}})
    assert reply.json()["changed"] == ["wide.txt"]
    assert reply.json()["tags"][0] == {"tag": "sky", "count": 2}
    wrong = served.client.put(f"{PATH}/{dataset}/captions", json={"captions": {"../x.png": "x"}})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "captions")


def test_tools_are_used_in_place_or_on_a_copy_and_undone(served: Any, dataset: str) -> None:
    def use(**body: Any) -> Any:
        return served.client.post(f"{PATH}/{dataset}/tools", json=body)

    flips = {"kind": "flips", "flips": ["Horizontal"]}
    copied = use(tool=flips, into=f"{dataset} copy").json()
    assert copied["made"] == ["barn-horizontal.png", "barn-horizontal.txt", "wide-horizontal.png"]
    assert served.client.get(f"{PATH}/{dataset} copy").json()["pictures"] == 4
    assert served.client.get(f"{PATH}/{dataset}").json()["pictures"] == 2
    edit = {"kind": "captions", "find": "red", "replace": "blue"}
    assert use(tool=edit).json()["changed"] == ["barn.txt"]
    assert use(tool={"kind": "undo"}).json()["changed"] == ["barn.txt"]
    assert served.client.get(f"{PATH}/{dataset}/captions").json()["captions"][0]["text"] == "a red barn, sky"
    wrongs = (
        ({"tool": {"kind": "paint"}}, "kind"),
        ({"tool": {"kind": "captions", "find": "(", "regex": True}}, "find"),
        ({"tool": flips, "into": "../elsewhere"}, "name"),
        ({"tool": flips, "into": f"{dataset} copy"}, "into"),
    )
    for body, field in wrongs:
        reply = use(**body)
        assert (reply.status_code, reply.json()["field"]) == (422, field), reply.text


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("bad", [{"name": "a.png", "data": "!!"}]),
        ("bad", [{"name": "a.png", "data": text("<html>")}]),
        ("bad", [{"name": "a.exe", "data": png(1)}]),
        ("bad", [{"name": "a.txt", "data": text("x")}] * 101),
        ("..%2Fbad", [{"name": "a.png", "data": png(1)}]),
        (".bad", [{"name": "a.png", "data": png(1)}]),
    ],
)
def test_what_does_not_belong_is_refused(served: Any, name: str, files: list[dict[str, str]]) -> None:
    reply = served.client.post(f"{PATH}/{name}/files", json={"files": files})
    assert reply.status_code in (404, 422), reply.text
    assert not (served.engine.paths.data / "datasets" / "bad").exists()
    assert not (served.engine.paths.data / "bad").exists()
