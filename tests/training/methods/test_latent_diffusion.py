from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline

from modules.training.config import Config
from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.loop import train
from modules.training.methods.latent_diffusion import LatentDiffusion


def test_training_lowers_the_validation_error(diffusion_config: Config, pictures: PictureSet) -> None:
    run = dataclasses.replace(diffusion_config.run, steps=150, batch_size=8, save_every=1000)
    config = dataclasses.replace(diffusion_config, run=run)
    method = LatentDiffusion(config, pictures)
    with torch.no_grad():
        before = method.validate()["mse"]
    train(config, method)
    with torch.no_grad():
        after = method.validate()["mse"]
    assert after < 0.8 * before, f"{before:.3f} before, {after:.3f} after"


def test_result_is_a_pipeline_that_paints(diffusion_config: Config, pictures: PictureSet, tmp_path: Path) -> None:
    method = LatentDiffusion(diffusion_config, pictures)
    method.finish(tmp_path / "result")
    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "result")
    assert pipeline.scheduler.config["prediction_type"] == "v_prediction"
    abar = method.process.alpha.square().float()
    torch.testing.assert_close(pipeline.scheduler.alphas_cumprod, abar, rtol=1e-4, atol=1e-6)
    ids = pipeline.tokenizer("red circle on a blue background", padding="max_length", return_tensors="pt").input_ids
    assert ids.shape == (1, 77)
    assert int(ids.max()) == pipeline.text_encoder.config.eos_token_id == len(pipeline.tokenizer) - 1
    image = pipeline("red circle", num_inference_steps=2, output_type="np").images[0]
    assert image.shape == (32, 32, 3)
    assert np.isfinite(image).all()


def test_conditions_are_dropped_at_the_stated_rate(diffusion_config: Config, pictures: PictureSet) -> None:
    method = LatentDiffusion(diffusion_config, pictures)
    seen: list[str] = []
    method._errors = lambda x0, epsilon, timesteps, texts: seen.extend(texts) or torch.zeros(len(x0))  # type: ignore[method-assign]
    for step in range(500):
        method.loss(step, torch.Generator().manual_seed(step))
    rate = sum(not text for text in seen) / len(seen)
    assert abs(rate - 0.1) < 0.02, rate
