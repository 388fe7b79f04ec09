"""The learning rate at every step: warm-up, then a cosine, a constant, stairs, or stairs where the loss is level."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from modules.training.config import Optimizer


@dataclass
class Plateau:
    """Counts the times that `every` steps together brought no lower mean loss than the best before."""

    drops: int = 0
    best: float | None = None
    total: float = 0.0
    count: int = 0

    def see(self, loss: float, every: int) -> None:
        self.total, self.count = self.total + loss, self.count + 1
        if self.count < every:
            return
        mean, self.total, self.count = self.total / self.count, 0.0, 0
        if self.best is None or mean < self.best:
            self.best = mean
        else:
            self.drops += 1


class Schedule:
    """A function of the step alone, but for "plateau", which remembers losses."""

    def __init__(self, steps: int, settings: Optimizer) -> None:
        self._steps, self._settings, self._plateau = steps, settings, Plateau()

    def rate(self, step: int) -> float:
        return learning_rate(step, self._steps, self._settings, self._plateau.drops)

    def see(self, loss: float) -> None:
        if self._settings.schedule == "plateau":
            self._plateau.see(loss, self._settings.every)

    def memory(self) -> dict[str, float | None]:
        return asdict(self._plateau)

    def restore(self, memory: dict[str, float | None]) -> None:
        self._plateau = Plateau(**memory)  # pyright: ignore[reportArgumentType]


def learning_rate(step: int, steps: int, settings: Optimizer, drops: int = 0) -> float:
    """Linear warm-up to `lr`, then by the schedule; `drops` is how often the loss was found level."""
    if step < settings.warmup:
        return settings.lr * (step + 1) / settings.warmup
    lowest = settings.min_lr
    if settings.schedule == "cosine":
        done = (step - settings.warmup) / max(1, steps - settings.warmup)
        return lowest + (settings.lr - lowest) * 0.5 * (1 + math.cos(math.pi * done))
    if settings.schedule == "step":
        drops = (step - settings.warmup) // settings.every
    rate = settings.lr if settings.schedule == "constant" else max(lowest, settings.lr * settings.factor**drops)
    left = min(1.0, (steps - step) / max(1, settings.cooldown))
    return lowest + (rate - lowest) * left
