"""Every published form of an embedding's file is read; what is none says so."""

import base64
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin
from safetensors.torch import save_file

from modules.core.errors import ModelError
from modules.processing.networks.embedding_data import bundled_names, open_data, vector_parts

VECTORS = torch.arange(64, dtype=torch.float32).reshape(2, 32) / 7


def read(path: Path, **more) -> dict[str, torch.Tensor]:
    data = open_data(path, **more)
    return {part: data.read(name) for part, name in vector_parts(data.shapes).items()}


def a1111(vectors: object = VECTORS) -> dict:
    return {"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, "name": "inside", "step": 500}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (a1111(), VECTORS),
        (a1111(torch.nn.Parameter(VECTORS)), VECTORS),
        ({"string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(VECTORS)})}, VECTORS),
        ({"<cat-toy>": VECTORS[0]}, VECTORS[0]),
        ({"emb_params": VECTORS}, VECTORS),
    ],
    ids=["a1111", "a1111 parameter", "ldm", "diffusers", "kohya"],
)
def test_pickles_are_read_when_allowed_and_refused_otherwise(tmp_path, content, expected):
    path = tmp_path / "one.pt"
    torch.save(content, path)
    with pytest.raises(ModelError, match="pickle"):
        open_data(path)
    assert torch.equal(read(path, allow_pickle=True)[""], expected)


def test_a_pickle_that_would_run_code_runs_none(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.write_text, (tmp_path / "ran", "x"))

    torch.save({"emb_params": VECTORS, "x": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(ModelError, match=r"evil\.pt cannot be read as vectors alone"):
        open_data(tmp_path / "evil.pt", allow_pickle=True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("tensors", "parts"),
    [
        ({"emb_params": VECTORS}, {""}),
        ({"emb_params": VECTORS, "emb_params_out": VECTORS}, {""}),
        ({"<token>": VECTORS[0]}, {""}),
        ({"string_to_param.*": VECTORS}, {""}),
        ({"clip_l": VECTORS, "clip_g": VECTORS.repeat(1, 2)}, {"clip_l", "clip_g"}),
        ({"clip_l": VECTORS, "clip_g": VECTORS, "clip_l_out": VECTORS}, {"clip_l", "clip_g"}),
    ],
)
def test_the_forms_in_safetensors(tmp_path, tensors, parts):
    path = tmp_path / "one.safetensors"
    save_file({name: one.clone() for name, one in tensors.items()}, path)
    found = read(path)
    assert set(found) == parts
    assert torch.equal(next(iter(found.values())).reshape(-1)[:32], VECTORS[0])


@pytest.mark.parametrize(
    ("tensors", "cause"),
    [
        ({"a": VECTORS, "b": VECTORS}, "2 tensors"),
        ({"a": torch.zeros(2, 3, 4)}, "no vectors"),
        ({"clip_l": VECTORS, "clip_g": VECTORS[:1]}, "different numbers"),
    ],
)
def test_what_is_no_embedding_says_so(tmp_path, tensors, cause):
    path = tmp_path / "one.safetensors"
    save_file({name: one.clone() for name, one in tensors.items()}, path)
    with pytest.raises(ModelError, match=cause):
        read(path)


def as_json() -> bytes:
    return json.dumps(a1111({"TORCHTENSOR": VECTORS.tolist()})).encode()


def test_a_picture_carries_an_embedding_in_its_text(tmp_path):
    text = PngImagePlugin.PngInfo()
    text.add_text("sd-ti-embedding", base64.b64encode(as_json()).decode())
    Image.new("RGB", (8, 8), "red").save(tmp_path / "one.png", pnginfo=text)
    assert torch.equal(read(tmp_path / "one.png")[""], VECTORS)
    assert open_data(tmp_path / "one.png").about["step"] == 500


def hidden(height: int = 32) -> Image.Image:
    """A picture with the data in its left and right columns, put together by the rule and not by the reader's code."""
    raw = zlib.compress(as_json())
    size = -(-len(raw) // (height * 3)) * height * 3
    halves = np.resize(np.frombuffer(raw, np.uint8), size).reshape(height, -1, 3)
    series, value = [], 0
    for _ in range(size):
        value = (value * 1664525 + 1013904223) % (1 << 32)
        series.append(value % 255 & 15)
    mask = np.array(series, np.uint8).reshape(halves.shape)
    left, right = (halves & 15) ^ mask | 0x50, (halves >> 4) ^ mask | 0xA0
    black = np.zeros((height, 1, 3), np.uint8)
    middle = np.full((height, 20, 3), 200, np.uint8)
    return Image.fromarray(np.concatenate([left, black, middle, black, right], axis=1))


def test_a_picture_carries_an_embedding_in_its_pixels(tmp_path):
    sheet = Image.new("RGB", (hidden().width + 6, 40))
    sheet.paste(hidden(), (3, 4))
    sheet.save(tmp_path / "one.png")
    hidden().save(tmp_path / "two.webp", lossless=True)
    assert torch.equal(read(tmp_path / "one.png")[""], VECTORS)
    assert torch.equal(read(tmp_path / "two.webp")[""], VECTORS)


@pytest.mark.parametrize("colour", ["black", "white", "grey"])
def test_a_mere_picture_is_no_embedding(tmp_path, colour):
    Image.new("RGB", (20, 20), colour).save(tmp_path / "one.png")
    with pytest.raises(ModelError, match="without an embedding"):
        open_data(tmp_path / "one.png")


def test_members_of_a_bundle_are_read_by_name(tmp_path):
    path = tmp_path / "lora.safetensors"
    tensors = {
        "bundle_emb.me.clip_l": VECTORS,
        "bundle_emb.me.clip_g": VECTORS + 1,
        "bundle_emb.two.emb_params": VECTORS + 2,
    }
    save_file({**tensors, "lora_unet_x.lora_up.weight": VECTORS + 3}, path)
    assert bundled_names(path) == ["me", "two"]
    assert torch.equal(read(path, member="me")["clip_g"], VECTORS + 1)
    assert torch.equal(read(path, member="two")[""], VECTORS + 2)
