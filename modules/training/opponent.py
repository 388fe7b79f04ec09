"""The second player of an adversarial method: its own modules and loss; the loop updates it after the method's step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Opponent:
    modules: dict[str, nn.Module]
    # of the same batch as the step before; None: not yet
    loss: Callable[[int, torch.Generator], tuple[Tensor, dict[str, Tensor]] | None]
