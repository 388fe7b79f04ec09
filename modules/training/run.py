"""A whole training run from its config: the pictures, the method, the loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from modules.core.errors import UserError
from modules.training import checkpoints
from modules.training.config import Config, Run, check_trainer
from modules.training.datasets import fluent_emoji
from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.datasets.folder import PictureFolder
from modules.training.loop import Method, OnMetrics, OnSample, OnWait, train
from modules.training.metrics import read_rows
from modules.training.processes import make_accelerator, placed


def run_training(
    config: Config,
    *,
    stopping: Callable[[], bool] = lambda: False,
    on_metrics: OnMetrics | None = None,
    on_sample: OnSample | None = None,
    on_wait: OnWait | None = None,
) -> Path:
    """Train, or continue what was begun in run.folder. Returns the result's folder.

    run.threads holds while this runs; what the process had before is put back.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(config.run.threads)
    try:
        accelerator = make_accelerator(config.run)
        config = placed(config, accelerator)
        with accelerator.main_process_first():  # which makes the caches that the others read
            method = make_method(config)
        result = train(config, method, stopping=stopping, on_metrics=on_metrics, on_sample=on_sample, on_wait=on_wait)
        accelerator.end_training()
        return result
    finally:
        torch.set_num_threads(before)


def reached(run: Run) -> tuple[int, dict[str, float]]:
    """The step of the newest state, 0 if there is none, and by name the last finite numbers noted up to it."""
    folder = Path(run.folder).expanduser()
    states = checkpoints.found(folder)
    step = checkpoints.step_of(states[-1]) if states else 0
    numbers: dict[str, float] = {}
    for row in read_rows(folder / "metrics.jsonl"):
        if row["step"] <= step:
            numbers |= {name: value for name, value in row.items() if value is not None}
    return step, {name: value for name, value in numbers.items() if name not in ("step", "time")}


def make_method(config: Config) -> Method:
    check_trainer(config)
    if config.method == "autoencoder":
        from modules.training.methods.autoencoder import Autoencoder

        return Autoencoder(config, _emoji(config))
    from modules.training.methods.latent_diffusion import LatentDiffusion

    if not (Path(config.diffusion.autoencoder).expanduser() / "config.json").is_file():
        raise UserError(
            "The folder of diffusion.autoencoder holds no autoencoder.",
            hint="Name the result folder of a finished first stage.",
            field="diffusion.autoencoder",
        )
    return LatentDiffusion(config, PictureFolder(config.data) if config.data.kind == "folder" else _emoji(config))


def _emoji(config: Config) -> PictureSet:
    return fluent_emoji.load(Path(config.data.folder).expanduser(), config.data.size)
