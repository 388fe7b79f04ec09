"""What stage 2 learns from: items with a picture, a caption and a weight, numbered from 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

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


@runtime_checkable
class GuidedSource(Source, Protocol):
    """A source that also says where a picture counts, and which ones only keep what the model knew before."""

    @property
    def captions_vary(self) -> bool:
        """Whether `caption` draws; else the texts of all items can be encoded once."""
        ...

    def mask(self, item: int, size: Size) -> np.ndarray | None:
        """How much each place counts in the loss: float32 [height, width], mean 1; None: all alike."""
        ...

    def is_regularisation(self, item: int) -> bool: ...


def mask_of(source: Source, item: int, size: Size) -> np.ndarray | None:
    """The item's mask at (width, height) of its latents; None where the source knows none."""
    return source.mask(item, size) if isinstance(source, GuidedSource) else None


def is_regularisation(source: Source, item: int) -> bool:
    return isinstance(source, GuidedSource) and source.is_regularisation(item)


def captions_vary(source: Source) -> bool:
    return source.captions_vary if isinstance(source, GuidedSource) else True
