"""The training loop. It knows no method: a method gives modules, a loss, a validation and samples."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from modules.training import checkpoints
from modules.training.config import Config
from modules.training.disk import OnWait
from modules.training.divergence import Divergence
from modules.training.method import Method
from modules.training.outputs import OnMetrics, OnSample, Outputs, Watchers
from modules.training.processes import agreed, make_accelerator, parts_of
from modules.training.team import Team

__all__ = ["Method", "OnMetrics", "OnSample", "OnWait", "train"]

log = logging.getLogger(__name__)


def train(
    config: Config,
    method: Method,
    *,
    stopping: Callable[[], bool] = lambda: False,
    on_metrics: OnMetrics | None = None,
    on_sample: OnSample | None = None,
    on_wait: OnWait | None = None,
) -> Path:
    """Train up to run.steps, from the folder's last state if it has one. Returns the result's folder.

    `stopping` is asked after every step; when it says so, the state is saved and the run ends.
    `on_sample` gets the step and the picture of each grid of samples, `on_wait` why a run waits and "" when it goes on.
    All `on_...` are told in the first process only.

    A run stopped or killed anywhere and started again ends with the same bits as one that was not, on one device.
    """
    run, folder = config.run, Path(config.run.folder).expanduser()
    accelerator = make_accelerator(run)
    team = Team(config, method, accelerator)
    with accelerator.main_process_first():  # which sets a damaged state aside
        start = team.restore(checkpoints.load_latest(folder))
    first = accelerator.is_main_process
    watchers = Watchers(stopping, on_metrics, on_sample, on_wait)
    outputs = Outputs(config, method, team, start, watchers) if first else None
    if start:
        log.info("Continuing at step %d", start)
    try:
        if outputs is not None and start >= run.steps:
            outputs.finish()
        for step in range(start, run.steps):
            rate = team.schedule.rate(step)
            for place in parts_of(step, run, accelerator):
                for player in team.players:
                    with team.only(player):
                        player.learn(place)  # forward, backward
            numbers = team.gather(step)  # means of the gradients, clipped; Divergence if they are worth nothing
            team.update(rate, numbers["loss"])  # optimizers, EMA, schedule
            stop = agreed(accelerator, stopping())
            if outputs is not None:
                outputs.after(step + 1, numbers | {"lr": rate}, stop=stop)
            if stop:
                break
    except Divergence as error:
        kept = checkpoints.found(folder)
        error.hint = f"The last good state is kept: {kept[-1].name}." if kept else "No state was saved before."
        error.hint += " Lower optimizer.lr or optimizer.clip, and start the run again."
        raise
    finally:
        if outputs is not None:
            outputs.close()
    return folder / "result"
