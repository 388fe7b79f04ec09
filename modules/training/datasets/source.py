"""What stage 2 learns from: items with a picture, a caption and a weight, numbered from 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from modules.training.buckets import Size


class Source(Protocol):
    @property
    def sizes(self) -> Sequence[Size]:
        """(width, height) of every item's picture."""
        ...

    @property
    def weights(self) -> np.ndarray:
        """How often each item is drawn, relative to the others; 0 keeps it from training."""
        ...

    @property
    def validation(self) -> Sequence[int]:
        """The items of the fixed validation."""
        ...

    def picture(self, item: int) -> np.ndarray:
        """uint8 RGB, [height, width, 3]; the same at every call."""
        ...

    def key(self, item: int) -> str:
        """Names what `picture` draws: another picture has another key."""
        ...

    def caption(self, item: int, generator: np.random.Generator) -> str: ...

    def label(self, item: int) -> str:
        """The plainest caption, without chance."""
        ...
