"""A tiny SD 1 model with random weights, and an engine over it: the real components, small."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.processing.engine import Engine
from tests.processing.models import tiny


@pytest.fixture(scope="session")
def tiny_models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    tiny.make_tiny_sd1(folder / "Stable-diffusion" / "tiny", seed=1)
    tiny.make_tiny_sd1(folder / "Stable-diffusion" / "tiny-v", seed=2, prediction="v_prediction")
    return folder


@pytest.fixture
def engine(tiny_models_dir: Path, tmp_path: Path) -> Iterator[Engine]:
    settings = Settings(values={"sd_model_checkpoint": "tiny", "memory_mode": "fp32"})
    made = Engine(Paths(data=tmp_path, models=tiny_models_dir), settings, hashing=False)
    made.catalog.refresh()
    yield made
    made.unload()
