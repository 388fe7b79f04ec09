"""The whole evaluation: over a painter of the true pictures, and over a tiny model from the command line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image

from modules.training.config import Config
from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.datasets.scenes import COLOURS, Scene, draw
from modules.training.evaluate import SHEET_COMPOSITIONS, Extent, evaluate, main, read_autoencoder, spread
from modules.training.methods.latent_diffusion import LatentDiffusion
from modules.training.painter import Wish
from modules.training.report import BEGIN, END


@pytest.fixture
def larger(pictures: PictureSet) -> PictureSet:
    """The tiny set at 64 pixels, the least that the engine paints."""
    return PictureSet(pictures.subjects, pictures.pictures.repeat(2, axis=1).repeat(2, axis=2))


@pytest.fixture
def folder(larger: PictureSet, tmp_path: Path) -> Path:
    """That set on disk."""
    made = tmp_path / "set"
    made.mkdir()
    np.save(made / "pictures-64.npy", larger.pictures)
    rows = [dataclasses.asdict(subject) for subject in larger.subjects]
    (made / "subjects.json").write_text(json.dumps(rows), "utf-8")
    return made


@pytest.fixture
def result(diffusion_config: Config, larger: PictureSet, tmp_path: Path) -> Path:
    """What the trainer writes, before its first step."""
    config = dataclasses.replace(
        diffusion_config,
        data=dataclasses.replace(diffusion_config.data, size=64),
        diffusion=dataclasses.replace(diffusion_config.diffusion, pooled_text=True),
    )
    LatentDiffusion(config, larger).finish(tmp_path / "result")
    return tmp_path / "result"


def test_true_pictures_meet_every_bar_but_that_of_variety(pictures: PictureSet) -> None:
    indices = {subject.label: index for index, subject in enumerate(pictures.subjects)}

    def paint(wishes: Sequence[Wish]) -> np.ndarray:
        parts = [wish.prompt.partition(" on a") for wish in wishes]
        scenes = [Scene((indices[label],), colour.split()[-2] if colour else "white") for label, _, colour in parts]
        return np.stack([draw(scene, pictures) for scene in scenes])

    def rebuild(originals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return originals, np.random.default_rng(0).normal(0, 1, (len(originals), 4, 32, 32))

    made = evaluate(paint, rebuild, pictures, Extent(labels=4, compositions=3, seed=1))
    assert [one.name for one in made.report.measures if not one.met] == ["Seeds: difference of two pictures"]
    assert len(made.report.measures) == 8
    assert made.prompts[:2] == ["red circle", "green circle"]
    assert made.prompts[4:] == [one.prompt for one in made.report.compositions]
    for picture, prompt in zip(made.sheet, made.prompts, strict=True):
        assert (picture == paint([Wish(prompt, 0)])[0]).all()


@pytest.mark.parametrize(("length", "count"), [(200, 12), (400, 36), (3, 12), (25, 12), (1, 1)])
def test_the_sheet_shows_different_pictures_in_order(length: int, count: int) -> None:
    places = spread(length, count)
    assert places == sorted(set(places))
    assert len(places) == min(length, count)
    assert 0 <= places[0] <= places[-1] < length


def test_the_sheet_shows_every_colour() -> None:
    assert {place % (len(COLOURS) - 1) for place in spread(200, SHEET_COMPOSITIONS)} == set(range(len(COLOURS) - 1))


def test_the_command_measures_what_the_trainer_made(result: Path, folder: Path, tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text(f"# tiny\n{BEGIN}\n{END}\n", "utf-8")

    def measure(name: str) -> dict:
        told = tmp_path / name
        wishes = ["--labels", "4", "--compositions", "3", "--steps", "2", "--seed", "5"]
        places = ["--data", str(folder), "--work", str(tmp_path / "work"), "--json", str(told)]
        results = ["--card", str(card), "--sheet", str(tmp_path / "sheet.jpg")]
        assert main([str(result), *wishes, *places, *results]) == 0
        return json.loads(told.read_text("utf-8"))

    first = measure("first.json")
    values = {one["name"]: one["value"] for one in first["measures"]}
    assert len(values) == 9
    assert values["Speed: one picture"] > 0
    assert values["Seeds: difference of two pictures"] > 0
    assert [one["seed"] for one in first["labels"]] == [5, 6, 7, 8]
    assert first["conditions"]["steps"] == 2
    assert f"| {values['Autoencoder: PSNR']:.1f} dB | at least 28 dB | no |" in card.read_text("utf-8")
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.size[0] == 7 * 128
    assert list((tmp_path / "work").iterdir()) == []
    again = measure("second.json")
    assert first["measures"][:-1] == again["measures"][:-1]
    assert first["labels"] == again["labels"]


def test_the_autoencoder_gives_scaled_latents(tiny_model: Path, pictures: PictureSet) -> None:
    """Against diffusers' own call, picture by picture."""
    originals = np.stack([draw(Scene((index,)), pictures) for index in range(5)])
    again, latents = read_autoencoder(tiny_model)(originals)
    vae = AutoencoderKL.from_pretrained(tiny_model, subfolder="vae")
    for original, rebuilt, latent in zip(originals, again, latents, strict=True):
        with torch.no_grad():
            pixels = torch.from_numpy(original.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
            output = vae(pixels).sample[0].permute(1, 2, 0).numpy()
            scaled = vae.encode(pixels).latent_dist.mean[0].numpy() * 0.18215
        assert np.abs((output.clip(-1, 1) + 1) * 127.5 - rebuilt).max() < 0.51
        assert np.abs(scaled - latent).max() < 1e-4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--card", "nowhere/README.md"], "no model card"),
        (["--labels", "5"], "5 labels were asked for"),
        (["--data", "nowhere"], "no pictures of size 64"),
    ],
)
def test_a_wish_that_cannot_be_granted_is_told(
    tiny_model: Path, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, changes: list[str], message: str
) -> None:
    assert main([str(tiny_model), "--data", str(folder), "--work", str(tmp_path / "work"), *changes]) == 1
    assert message in caplog.text
    assert not (tmp_path / "work").exists()


def test_a_folder_without_a_model_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert main([str(tmp_path)]) == 1
    assert "Name the folder of a finished model." in caplog.text
