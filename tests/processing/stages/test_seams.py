"""Large pictures of the embedded model show no trace of their windows; without overlap they do."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.processing.engine import Engine
from modules.processing.requests import After, Generate, Prompt, Sampling, Seed, Shape, Windows

MODELS = Path(__file__).parents[3] / "models"
PROMPTS = ("mountains", "a city at night", "sea waves")


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    settings = Settings(values={"sd_model_checkpoint": "easel-mini", "memory_mode": "fp32"})
    made = Engine(Paths(data=tmp_path_factory.mktemp("data"), models=MODELS), settings, hashing=False)
    made.catalog.refresh()
    yield made
    made.unload()


def across(engine, windows, borders):
    """Mean change of colour across the border columns, over that across other columns of the autoencoder's grid."""
    at, inside = [], []
    for seed, prompt in enumerate(PROMPTS):
        wish = Generate(
            prompt=Prompt(positive=prompt),
            shape=Shape(width=640, height=256, method="windows", windows=windows),
            seed=Seed(seed=seed),
            sampling=Sampling(sampler="DPM++ 2M", steps=6, cfg_scale=5),
            after=After(save=False, grid=False),
        )
        with Image.open(engine.run(wish).pictures[0].path) as image:
            change = np.abs(np.diff(np.asarray(image.convert("RGB"), float), axis=1)).mean(axis=(0, 2))
        at += [change[one - 1] for one in borders]
        inside += [change[one - 1] for one in range(64, 577, 8) if one not in borders]
    return np.mean(at) / np.mean(inside)


def test_window_borders_cannot_be_found(mini):
    overlapping = across(mini, Windows(), (128, 256, 384, 512))
    apart = across(mini, Windows(overlap=8, weights="multi"), (192, 256, 384, 448))
    assert overlapping < 1.05, (overlapping, apart)
    assert apart > 1.5, (overlapping, apart)
