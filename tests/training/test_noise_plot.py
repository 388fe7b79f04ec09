from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modules.training.config import Diffusion
from modules.training.noise import make_process
from modules.training.noise_plot import plot_schedule


@pytest.mark.parametrize("settings", [Diffusion(schedule="snr_adapted"), Diffusion(zero_terminal_snr=True)])
def test_schedule_is_drawn(settings: Diffusion, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot_schedule(tmp_path / "run" / "noise_schedule.png", make_process(settings), latent_std=0.5)
    with Image.open(tmp_path / "run" / "noise_schedule.png") as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
    coloured = np.ptp(pixels, axis=1) > 60
    assert 200 < coloured.sum() < len(pixels) // 10, "two lines on white"


def test_without_matplotlib_the_run_goes_on_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with caplog.at_level("INFO"):
        plot_schedule(tmp_path / "noise_schedule.png", make_process(Diffusion()), latent_std=1.0)
    assert "matplotlib" in caplog.text
    assert not list(tmp_path.iterdir())
