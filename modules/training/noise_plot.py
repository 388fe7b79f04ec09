"""A picture of a noise schedule: what is left of the latents at each timestep."""

from __future__ import annotations

import importlib.util
import logging
import math
from pathlib import Path

import torch

from modules.training.noise import NoiseProcess

log = logging.getLogger(__name__)
MARKS_DB = (-20, 0, 20)
LOWEST_DB = -60.0


def plot_schedule(path: Path, process: NoiseProcess, latent_std: float) -> None:
    """Write the SNR in dB of unit latents and of latents of `latent_std` as a PNG; without matplotlib, say so."""
    if importlib.util.find_spec("matplotlib") is None:
        log.info("matplotlib is not installed: no %s", path.name)
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    measured = process.snr_db + 20 * math.log10(latent_std)
    for values, name in ((process.snr_db, "deviation 1"), (measured, f"these latents, deviation {latent_std:.3g}")):
        shown = torch.where(values < LOWEST_DB, float("nan"), values)
        axes.plot(range(len(values)), shown.tolist(), label=name)
    for mark in MARKS_DB:
        axes.axhline(mark, color="grey", linewidth=0.5)
    end = float(measured[-1])
    axes.set_title(f"{process.prediction}, ends at {end:.1f} dB")
    axes.set_xlabel("timestep")
    axes.set_ylabel("signal to noise, dB")
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
