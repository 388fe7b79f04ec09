"""Networks in whole pictures: their papers, their passes, and what the caches know of them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modules.imaging.infotext import parse_infotext
from modules.imaging.metadata import read_papers
from modules.processing.engine import Engine
from modules.processing.networks.hashes import missed_networks
from modules.processing.pasted import request_from_infotext
from modules.processing.reproduce import reproduce
from modules.processing.requests import After, Generate, Hires, Prompt, Sampling, Seed, Shape
from tests.processing.networks import conftest as examples


@pytest.fixture
def engine(engine: Engine, tmp_path: Path, make_network) -> Engine:
    engine.paths.extra["lora"] = tmp_path / "networks"
    for seed, name in enumerate(("ink", "oil")):
        make_network(name, examples.tensors_of("lora", seed))
    return engine


def make(engine: Engine, prompt: str, hires: Hires | None = None) -> Any:
    request = Generate(
        prompt=Prompt(positive=prompt),
        shape=Shape(width=64, height=64),
        sampling=Sampling(sampler="Euler", steps=2),
        seed=Seed(seed=7),
        after=After(grid=False, hires=hires),
    )
    return engine.run(request)


def pixels(result: Any) -> np.ndarray:
    return np.asarray(Image.open(result.pictures[0].path))


def test_multiplier_0_is_the_base_bit_for_bit_and_1_is_not(engine: Engine) -> None:
    base = pixels(make(engine, "a cat"))
    assert (pixels(make(engine, "a cat<lora:ink:0>")) == base).all()
    changed = pixels(make(engine, "a cat<lora:ink:1>"))
    assert (changed != base).any()
    assert (pixels(make(engine, "a cat<lora:ink:te=1:unet=0>")) != base).any()  # not a conditioning of before
    assert (pixels(make(engine, "a cat<lora:ink:1>")) == changed).all()
    assert (pixels(make(engine, "a cat")) == base).all()


def test_what_was_used_is_told(engine: Engine) -> None:
    result = make(engine, "a cat<lora:ink:0.5>")
    (told,) = result.info["networks"]
    assert (told["name"], told["kind"], told["rank"], told["matched"], told["total"]) == ("ink", "LoRA", 4, 3, 3)
    assert told["hash"] == ""  # --no-hashing
    assert result.info["warnings"] == []


def test_the_second_pass_has_its_own_networks(engine: Engine) -> None:
    def hires(prompt: str) -> Hires:
        return Hires(scale=1.0, strength=0.6, second=dataclasses.replace(Hires().second, positive=prompt))

    pictures = [
        pixels(make(engine, "a cat", hires(one))) for one in ("a cat", "a cat<lora:ink:1>", "a cat<lora:oil:1>")
    ]
    assert (pictures[0] != pictures[1]).any()
    assert (pictures[1] != pictures[2]).any()
    assert (pixels(make(engine, "a cat", hires("a cat"))) == pictures[0]).all()


def test_hashes_are_written_and_followed_to_renamed_files(engine: Engine, tmp_path: Path) -> None:
    engine.catalog.hashes.enabled = True
    engine.networks.refresh()
    result = make(engine, "a cat<lora:ink:1> <lora:oil:0.5>")
    path = Path(result.pictures[0].path)
    fields = parse_infotext(result.pictures[0].infotext)
    digests = {one.name: one.digest for one in engine.networks.files()}
    assert fields["Lora hashes"] == f"ink: {digests['ink'][:12]}, oil: {digests['oil'][:12]}"
    block = json.loads(read_papers(path).request or "")
    assert block["networks"] == [{"name": one, "sha256": digests[one]} for one in ("ink", "oil")]
    assert reproduce(engine, path).identical
    folder = tmp_path / "networks"
    (folder / "ink.safetensors").rename(folder / "drawing.safetensors")
    engine.networks.refresh()
    assert missed_networks(fields, engine.networks) == ["The network ink is not here."]
    for name in ("drawing",):
        engine.networks.hashed(engine.networks.find(name))
    pasted = request_from_infotext(result.pictures[0].infotext, engine.networks)
    assert pasted.request.prompt.positive == "a cat<lora:drawing:1> <lora:oil:0.5>"
    assert not pasted.unknown


def test_hashes_stay_out_where_the_setting_says_so(engine: Engine) -> None:
    engine.catalog.hashes.enabled = True
    engine.networks.refresh()
    engine.settings.update({"lora_add_hashes_to_infotext": False})
    assert "Lora hashes" not in make(engine, "a cat<lora:ink:1>").pictures[0].infotext


def test_a_batch_of_pictures_opens_a_network_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    from modules.processing.networks import apply

    opened: list[str] = []
    read = apply.read_network
    monkeypatch.setattr(
        apply, "read_network", lambda file, *rest, **more: opened.append(file.name) or read(file, *rest, **more)
    )
    for strength in (1, 0.5, 0.25):
        make(engine, f"a cat<lora:ink:{strength}>")
    assert opened == ["ink"]
