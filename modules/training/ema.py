"""A running mean of the weights, which paints better than the last weights do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class Ema:
    """theta' <- d theta' + (1 - d) theta with d = min(decay, (1 + n) / (10 + n)), n updates so far; always fp32."""

    def __init__(self, parameters: dict[str, Tensor], decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._live = parameters
        self.shadow = {name: one.detach().clone() for name, one in parameters.items()}

    @torch.no_grad()
    def update(self) -> None:
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(list(self.shadow.values()), [one.detach() for one in self._live.values()], 1 - decay)
        self.updates += 1

    @torch.no_grad()
    def restore(self, shadow: dict[str, Tensor], updates: int) -> None:
        for name, one in self.shadow.items():
            one.copy_(shadow[name])
        self.updates = updates

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The live parameters hold the mean inside, and their own values again after."""
        own = {name: one.detach().clone() for name, one in self._live.items()}
        with torch.no_grad():
            for name, one in self._live.items():
                one.copy_(self.shadow[name])
        try:
            yield
        finally:
            with torch.no_grad():
                for name, one in self._live.items():
                    one.copy_(own[name])
