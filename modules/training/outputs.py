"""What a run leaves in its folder: numbers, states, the result, pictures. Only the first process writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from modules.core.files import write_atomic
from modules.training import checkpoints
from modules.training.config import Config, dump_config
from modules.training.disk import OnWait, when_there_is_room
from modules.training.method import Method
from modules.training.metrics import Metrics
from modules.training.team import Team

OnMetrics = Callable[[int, Mapping[str, float]], None]
OnSample = Callable[[int, Path], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Watchers:
    """Who looks on. `stopping` is also asked while the run waits."""

    stopping: Callable[[], bool]
    on_metrics: OnMetrics | None
    on_sample: OnSample | None
    on_wait: OnWait | None


class Outputs:
    """Looks after each step for what is due. A full disk makes it wait for room."""

    def __init__(self, config: Config, method: Method, team: Team, start: int, watchers: Watchers) -> None:
        self._run, self._method, self._team = config.run, method, team
        self._folder, self._watchers = Path(config.run.folder).expanduser(), watchers
        self._write(lambda: write_atomic(self._folder / "config.toml", dump_config(config)))
        self._metrics = self._write(lambda: Metrics(self._folder, start))
        self._began, self._logged, self._unsaved = time.monotonic(), start, False

    def after(self, done: int, numbers: Mapping[str, float], *, stop: bool) -> None:
        """Note, save, validate, sample: each when it is due after `done` steps, or at the end."""
        run, last = self._run, done == self._run.steps
        if done % run.log_every == 0 or last:
            now = time.monotonic()
            self._note(done, {**numbers, "steps_per_s": (done - self._logged) / (now - self._began)})
            self._began, self._logged = now, done
        self._unsaved |= done % run.save_every == 0
        if (self._unsaved and self._team.watch.calm) or last or stop:
            self._save(done)
        if stop:
            return
        if done % run.validate_every == 0 or last:
            with self._team.evaluating():
                measured = self._method.validate()
            self._note(done, {f"val/{name}": value for name, value in measured.items()})
        if done % run.sample_every == 0 or last:
            self._sample(done)
        if last:
            self._write(self._metrics.draw)

    def close(self) -> None:
        self._metrics.close()

    def _note(self, done: int, row: Mapping[str, float]) -> None:
        self._write(lambda: self._metrics.note(done, row))
        if self._watchers.on_metrics is not None:
            self._watchers.on_metrics(done, row)

    def _save(self, done: int) -> None:
        state = self._team.state(done)
        self._write(lambda: checkpoints.save(self._folder, state, keep=self._run.keep))
        self._unsaved = False
        self.finish()
        self._write(self._metrics.draw)

    def finish(self) -> None:
        """Write the result; also for a run that was killed between its last state and its result."""
        with self._team.evaluating():
            self._write(lambda: self._method.finish(self._folder / "result"))

    def _sample(self, done: int) -> None:
        path = self._folder / "samples" / f"step-{done:07d}.png"
        path.parent.mkdir(exist_ok=True)
        with self._team.evaluating():
            self._write(lambda: self._method.sample(path))
        if self._watchers.on_sample is not None:
            self._watchers.on_sample(done, path)

    def _write(self, write: Callable[[], T]) -> T:
        return when_there_is_room(write, self._watchers.stopping, self._watchers.on_wait)
