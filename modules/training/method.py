"""What the loop asks of a way of training."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from modules.training.opponent import Opponent


class Method(Protocol):
    """What a way of training does within a step. Modules live on the run's device when they come."""

    @property
    def modules(self) -> dict[str, nn.Module]:
        """What is trained, by name."""
        ...

    @property
    def opponent(self) -> Opponent | None:
        """The other player of an adversarial method."""
        ...

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean loss of run.batch_size samples, and its named parts.

        All that is drawn, the samples too, is a function of `generator` (or of its `initial_seed`): one step may ask
        several times, in several processes, each time for another part of its batch. `step` says how far the run is.
        """
        ...

    def validate(self) -> dict[str, float]: ...

    def sample(self, path: Path) -> None:
        """Draw a grid of fixed samples into a PNG."""
        ...

    def finish(self, folder: Path) -> None:
        """Write the result for use, from the weights as they are now."""
        ...
