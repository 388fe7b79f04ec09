"""From a folder of pictures, by the command line, to a model with which the application and diffusers paint."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from modules.core.paths import ROOT, Paths
from modules.core.settings import Settings
from modules.processing.engine import Engine
from modules.processing.requests import After, Generate, Prompt, Sampling, Seed, Shape
from modules.training.__main__ import main
from modules.training.config import Config, Data, dump_config
from modules.training.pictures import to_pictures

SIZE, STEPS = 64, 30


@pytest.fixture
def flow_model(diffusion_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A little trained rectified flow, as models/Stable-diffusion/flow."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    picture[: SIZE // 2, :, 0] = picture[:, : SIZE // 2, 2] = 255
    (tmp_path / "pictures").mkdir()
    Image.fromarray(picture).save(tmp_path / "pictures" / "corner.png")
    about = tmp_path / "autoencoder" / "config.json"  # so that its latents are measured and scaled
    about.write_text(json.dumps({**json.loads(about.read_text()), "scaling_factor": None}))
    folder = tmp_path / "models" / "Stable-diffusion" / "flow"
    config = dataclasses.replace(
        diffusion_config,
        run=dataclasses.replace(diffusion_config.run, steps=40, batch_size=4, save_every=1000),
        data=Data(folder=str(tmp_path / "pictures"), kind="folder", size=SIZE, bucket_step=8),
        optimizer=dataclasses.replace(diffusion_config.optimizer, lr=5e-3),
        diffusion=dataclasses.replace(diffusion_config.diffusion, prediction="flow_prediction"),
    )
    (tmp_path / "config.toml").write_text(dump_config(config))
    assert main([str(tmp_path / "config.toml")]) == 0
    folder.parent.mkdir(parents=True)
    (tmp_path / "run" / "result").rename(folder)
    return folder


def test_flow_model_of_a_folder_paints_the_same_here_and_in_diffusers(flow_model: Path, tmp_path: Path) -> None:
    """Both follow one flow from one noise, by different solvers."""
    request = Generate(
        prompt=Prompt(positive="corner"),
        shape=Shape(width=SIZE, height=SIZE),
        seed=Seed(seed=3),
        sampling=Sampling(sampler="Euler", steps=STEPS, cfg_scale=1.0),
        after=After(save=False, grid=False),
    )
    settings = Settings(values={"sd_model_checkpoint": "flow", "memory_mode": "fp32"})
    engine = Engine(Paths(data=tmp_path, models=tmp_path / "models"), settings, hashing=False)
    engine.catalog.refresh()
    with Image.open(engine.run(request).pictures[0].path) as image:
        ours = np.asarray(image.convert("RGB")) / 255
    engine.unload()

    pipeline = StableDiffusionPipeline.from_pretrained(flow_model, torch_dtype=torch.float32)
    noise = torch.randn(1, 4, SIZE // 4, SIZE // 4, generator=torch.Generator().manual_seed(3))
    wanted: dict[str, Any] = {
        "prompt": "corner",
        "num_inference_steps": STEPS,
        "guidance_scale": 1.0,
        "output_type": "np",
    }
    same, other = (pipeline(latents=one, **wanted).images[0] for one in (noise, noise.flip(-1)))
    with torch.no_grad():
        still = to_pictures(pipeline.vae.decode(noise / pipeline.vae.config["scaling_factor"]).sample)[0] / 255
    far = min(np.square(other - same).mean(), np.square(still - same).mean())
    found = float(np.square(ours - same).mean() / far)
    assert found < 0.01, f"{found:.3f} of the distance to another noise's picture, or to noise"


def test_the_command_asks_no_hub() -> None:
    code = "import modules.training.__main__, huggingface_hub.constants as hub; print(hub.HF_HUB_OFFLINE)"
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=120)
    assert told.stdout.strip() == "True"
