"""Says when a run has left the path: numbers that are none, or a loss that stays far above what it was."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Mapping

from modules.core.errors import EaselError

WINDOW = 200  # losses that the median is taken of
LEAST = 20  # losses before anything is judged
PATIENCE = 10  # steps in a row: a single hard batch is no explosion


class Divergence(EaselError):
    """The run cannot go on from its weights as they are; what is on the disk is from before."""


class Watch:
    """Raises Divergence for a loss or gradient that is not finite, or a loss `factor` times above its median.

    The median is of absolute values, since an adversarial loss may be negative. Factor 0 looks at finiteness only.
    """

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._losses: deque[float] = deque(maxlen=WINDOW)
        self._above = 0

    @property
    def calm(self) -> bool:
        """False while the loss is suspiciously high: such weights are not worth keeping."""
        return self._above == 0

    def see(self, step: int, loss: float, others: Mapping[str, float]) -> None:
        for name, value in {"loss": loss, **others}.items():
            if not math.isfinite(value):
                raise Divergence(f"The {name} is {value} at step {step}.")
        usual = statistics.median(map(abs, self._losses)) if len(self._losses) >= LEAST else 0.0
        if self._factor and usual and abs(loss) > self._factor * usual:
            self._above += 1
            if self._above >= PATIENCE:
                raise Divergence(
                    f"The loss exploded: it is {loss:.4g} at step {step} and was about {usual:.4g}"
                    f" until {PATIENCE} steps before."
                )
            return
        self._above = 0
        self._losses.append(loss)

    def forget(self) -> None:
        """The loss means something else from now on."""
        self._losses.clear()
        self._above = 0

    def memory(self) -> dict[str, list[float] | int]:
        return {"losses": list(self._losses), "above": self._above}

    def restore(self, losses: list[float], above: int) -> None:
        self._losses.extend(losses)
        self._above = above
