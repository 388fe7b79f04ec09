"""A tiny SD 1 model with random weights, and an engine over it: the real components, small."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.processing.engine import Engine


def _tiny():
    spec = importlib.util.spec_from_file_location("tiny_models", Path(__file__).parent / "models" / "tiny.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tiny = _tiny()  # tests below this folder may import it as tiny_models


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
