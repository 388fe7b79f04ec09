"""What a trained schedule is when others read it: diffusers, and the application itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from modules.processing.models.loader import alphas_cumprod
from modules.processing.schedules.table import SigmaTable
from modules.training.config import Diffusion
from modules.training.export import make_scheduler
from modules.training.noise import make_process

VARIANTS: list[dict[str, Any]] = [{}, {"schedule": "cosine"}, {"schedule": "snr_adapted"}, {"zero_terminal_snr": True}]


def saved(settings: Diffusion, folder: Path, latent_std: float = 1.0) -> dict[str, Any]:
    make_scheduler(settings, make_process(settings, latent_std)).save_pretrained(folder)
    return json.loads((folder / "scheduler_config.json").read_text())


@pytest.mark.parametrize("change", VARIANTS, ids=str)
def test_exported_schedule_is_the_trained_one(change: dict[str, Any], tmp_path: Path) -> None:
    settings = Diffusion(**change)
    trained = make_process(settings, latent_std=0.8)
    config = saved(settings, tmp_path, latent_std=0.8)
    read = alphas_cumprod(config, zero_snr=config["rescale_betas_zero_snr"])
    torch.testing.assert_close(read, trained.alpha.square(), rtol=1e-9, atol=1e-7)
    theirs = type(make_scheduler(settings, trained)).from_pretrained(tmp_path).alphas_cumprod
    torch.testing.assert_close(theirs, trained.alpha.square().float(), rtol=2e-3, atol=1e-6)


def test_flow_keeps_its_straight_line_when_read_back(tmp_path: Path) -> None:
    settings = Diffusion(prediction="flow_prediction")
    process = make_process(settings)
    config = saved(settings, tmp_path)
    assert config["prediction_type"] == "flow_prediction"
    sigmas = SigmaTable(alphas_cumprod(config, zero_snr=False)).sigmas
    time = process.first_time + torch.arange(999)  # what the network is told
    torch.testing.assert_close(sigmas[time[:-1]], (process.sigma / process.alpha)[:998].float(), rtol=1e-5, atol=0)


def test_flow_scheduler_finds_the_only_picture_there_is() -> None:
    """With one picture x0 the flow at (x, t) is (x - x0) / t: from any noise it leads to x0."""
    settings = Diffusion(prediction="flow_prediction")
    scheduler = make_scheduler(settings, make_process(settings))
    scheduler.set_timesteps(10)
    x0 = torch.linspace(-2, 2, 64).reshape(1, 4, 4, 4)
    x = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
    for timestep in scheduler.timesteps:
        x = scheduler.step((x - x0) / (float(timestep) / 1000), int(timestep), x).prev_sample
    np.testing.assert_allclose(x, x0, atol=0.02)
