"""Jobs of kind "train": a training config in, a run's folder out. A later job of the same folder continues it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from modules.core.errors import UserError
from modules.core.files import inside
from modules.core.paths import Paths
from modules.jobs.job import Job
from modules.jobs.queue import Handler
from modules.processing.progress import Control, Picture, Progress, Report
from modules.training.config import Config, check, check_trainer, parse_config, read_tree


def checked(request: Mapping[str, Any], paths: Paths) -> dict[str, Any]:
    """The request as the queue keeps it: {"config": every setting}, with paths relative to the data folder.

    It comes as {"config": the tree of the TOML file} or as {"config_file": its name in the data folder}. A run that
    names no folder gets outputs/training/NAME, NAME telling its settings: asked again, it goes on where it was.
    UserError names the setting at fault; a path outside of the data folder is one.
    """
    title, tree = _tree(request, paths)
    run = tree.get("run", {})
    if isinstance(run, Mapping):
        tree = {**tree, "run": {"folder": "", **run}}
    config = parse_config(tree)
    check(config)
    check_trainer(config)
    config = _map_paths(_named(config, title), lambda field, name: _place(paths, field, name))
    return {"config": dataclasses.asdict(config)}


def make_train_handler(paths: Paths) -> Handler:
    def train(job: Job, control: Control, report: Report) -> dict[str, Any]:
        from modules.training.run import reached, run_training  # which imports torch

        began = time.monotonic()
        report(Progress(fraction=0, stage="prepare"))
        kept = parse_config(checked(job.request, paths)["config"])  # anew: a link may lead elsewhere by now
        config = _map_paths(kept, lambda field, name: str(paths.data / name))
        teller = _Teller(config, report, *reached(config.run))
        for path in sorted((Path(config.run.folder) / "samples").glob("step-*.png")):
            teller.sample(0, path)  # of the job that this one continues
        run_training(
            config,
            stopping=lambda: control.stopping,
            on_metrics=teller.measured,
            on_sample=teller.sample,
            on_wait=teller.waits,
        )
        step, metrics = reached(config.run)
        return {
            "folder": kept.run.folder,
            "step": step,
            "metrics": metrics,
            "seconds": time.monotonic() - began,
            "interrupted": control.stopping and step < config.run.steps,
        }

    return train


class _Teller:
    """Turns what the loop tells into events of the queue, from the step that the run has reached already."""

    def __init__(self, config: Config, report: Report, step: int, metrics: Mapping[str, float]) -> None:
        self.steps, self.seed, self._report = config.run.steps, config.run.seed, report
        self.step, self.metrics = step, dict(metrics)

    def measured(self, step: int, row: Mapping[str, float]) -> None:
        self.step = step
        self.metrics |= {name: value for name, value in row.items() if math.isfinite(value)}
        self._tell("train", "")

    def waits(self, why: str) -> None:
        """`why` is empty when the wait is over."""
        self._tell("wait" if why else "train", why)

    def _tell(self, stage: str, text: str) -> None:
        rate = self.metrics.get("steps_per_s") if stage == "train" else None
        told = Progress(
            fraction=min(1, self.step / self.steps),
            stage=stage,
            step=self.step,
            steps=self.steps,
            eta_s=(self.steps - self.step) / rate if rate else None,
            text=text,
            metrics=dict(self.metrics),
        )
        self._report(told)

    def sample(self, step: int, path: Path) -> None:
        with Image.open(path) as grid:
            width, height = grid.size
        self._report(
            Picture(
                path=str(path.resolve()),
                infotext="",
                seed=self.seed,
                variation_seed=0,
                width=width,
                height=height,
                kind="grid",
            )
        )


def _tree(request: Mapping[str, Any], paths: Paths) -> tuple[str, Mapping[str, Any]]:
    """(name of the file, if it was one; what it says)."""
    match dict(request):
        case {"config": Mapping() as tree} if len(request) == 1:
            return "", tree
        case {"config_file": str() as name} if len(request) == 1:
            path = paths.data / _place(paths, "config_file", name)
            try:
                return path.stem, read_tree(path)
            except UserError as error:
                raise UserError(error.message, hint=error.hint, field="config_file") from error
    raise UserError(
        f"A training job cannot be made of {', '.join(request) or 'nothing'}.",
        hint='Send either "config", the settings as in a TOML file, or "config_file", its name in the data folder.',
        field="config",
    )


def _named(config: Config, title: str) -> Config:
    """With a folder of its own, when it names none."""
    if config.run.folder:
        return config
    digest = hashlib.sha256(json.dumps(dataclasses.asdict(config), sort_keys=True).encode()).hexdigest()
    folder = f"outputs/training/{title or config.method}-{digest[:8]}"
    return dataclasses.replace(config, run=dataclasses.replace(config.run, folder=folder))


def _map_paths(config: Config, change: Callable[[str, str], str]) -> Config:
    """`change` is given each setting that is a path, by name and value; an empty one of diffusion is none."""
    diffusion = config.diffusion
    stage_1 = diffusion.autoencoder and change("diffusion.autoencoder", diffusion.autoencoder)
    finished = diffusion.start_from and change("diffusion.start_from", diffusion.start_from)
    return dataclasses.replace(
        config,
        run=dataclasses.replace(config.run, folder=change("run.folder", config.run.folder)),
        data=dataclasses.replace(config.data, folder=change("data.folder", config.data.folder)),
        diffusion=dataclasses.replace(diffusion, autoencoder=stage_1, start_from=finished),
    )


def _place(paths: Paths, field: str, name: str) -> str:
    """`name`, meant from the data folder, as a relative path. Only outputs/ is written to; it may be a link."""
    roots = (paths.outputs,) if field == "run.folder" else (paths.data, paths.outputs)
    for root in roots:
        try:
            full = Path(os.path.normpath(paths.data / Path(name).expanduser()))
            inside(root, full)
            return Path(os.path.relpath(full, paths.data)).as_posix()
        except (UserError, ValueError, RuntimeError):  # outside; not a path at all; a loop of links or nobody's home
            continue
    allowed = "outputs" if field == "run.folder" else "the data folder"
    raise UserError(
        f"{field} is {name[:200]!r}, which is not in {allowed}.",
        hint="Write it from the data folder, such as outputs/training/mine.",
        field=field,
    )
