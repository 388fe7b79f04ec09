"""A small set of drawn emoji stand-ins: coloured shapes with alpha, no network and no npm."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from modules.training.config import Autoencoder, Config, Data, Diffusion, Optimizer, Run
from modules.training.datasets.fluent_emoji import PictureSet, Subject

SIZE = 32
TOY = Path(__file__).with_name("toy.py")
SHADES = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (40, 70, 220), "yellow": (240, 210, 40)}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pictures() -> PictureSet:
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    shapes = {
        "circle": (rows - 15.5) ** 2 + (columns - 15.5) ** 2 < 100,
        "square": (abs(rows - 15.5) < 9) & (abs(columns - 15.5) < 9),
    }
    subjects, stack = [], []
    for shade, rgb in SHADES.items():
        for shape, mask in shapes.items():
            picture = np.zeros((SIZE, SIZE, 4), np.uint8)
            picture[mask] = (*rgb, 255)
            stack.append(picture)
            held_out = (shade, shape) == ("yellow", "square")
            subjects.append(Subject(f"{len(stack):04X}", f"{shade} {shape}", (shape,), 3, shape == "circle", held_out))
    return PictureSet(tuple(subjects), np.stack(stack))


@pytest.fixture
def autoencoder_config(tmp_path: Path) -> Config:
    return Config(
        method="autoencoder",
        run=Run(str(tmp_path / "run"), steps=12, batch_size=4, threads=1, validate_every=100, sample_every=100),
        data=Data(folder="", size=SIZE),
        optimizer=Optimizer(lr=2e-3, warmup=2, ema_decay=0.9),
        autoencoder=Autoencoder(channels=(8, 16, 16), norm_groups=2, crop=SIZE),
    )


@pytest.fixture
def diffusion_config(autoencoder_config: Config, tmp_path: Path, pictures: PictureSet) -> Config:
    """With an untrained autoencoder: the second stage must work on whatever latents it gets."""
    from modules.training.coders.kl import build

    torch.manual_seed(0)
    build(autoencoder_config.autoencoder, SIZE).save_pretrained(tmp_path / "autoencoder")
    return dataclasses.replace(
        autoencoder_config,
        method="latent_diffusion",
        data=Data(folder="", size=SIZE, colours=2, rare_colours=1, pairs=2),
        diffusion=Diffusion(
            autoencoder=str(tmp_path / "autoencoder"),
            channels=(16, 32),
            attention=(False, True),
            head_dim=8,
            norm_groups=4,
            text_width=32,
            text_layers=1,
            text_heads=2,
            vocabulary=700,
            sample_steps=2,
        ),
    )


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of Stable Diffusion 1's classes, 64x64."""
    from tests.processing.models import tiny  # which imports torch

    return tiny.make_tiny_sd1(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def toy_config(tmp_path: Path) -> Config:
    """Two parts a batch, a state every third step, a rate that remembers losses."""
    run = Run(str(tmp_path / "run"), steps=16, batch_size=4, accumulate=2, threads=1, save_every=3, log_every=1)
    return Config(
        method="autoencoder",
        run=dataclasses.replace(run, validate_every=4, sample_every=5),
        data=Data(folder="", size=64),
        optimizer=Optimizer(lr=0.02, warmup=2, schedule="plateau", every=2, ema_decay=0.9),
    )


@pytest.fixture
def run_toy() -> Callable[..., None]:
    """Run toy.py with arguments in a process of its own."""

    def run(*arguments: object) -> None:
        code = f"import runpy; runpy.run_path({str(TOY)!r}, run_name='__main__')"
        command = [sys.executable, "-c", code, *map(str, arguments)]
        told = subprocess.run(command, capture_output=True, text=True, cwd=TOY.parents[2], timeout=120)
        assert told.returncode == 0, told.stdout + told.stderr

    return run
