"""Seamless pictures: convolutions that wrap around the edges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def circular_padding(*modules: torch.nn.Module, active: bool = True) -> Iterator[None]:
    """Every convolution of the modules wraps around for a while; the old padding comes back in any case."""
    convolutions = [one for module in modules for one in module.modules() if isinstance(one, torch.nn.Conv2d)]
    before = [one.padding_mode for one in convolutions]
    if active:
        for one in convolutions:
            one.padding_mode = "circular"
    try:
        yield
    finally:
        for one, mode in zip(convolutions, before):
            one.padding_mode = mode  # type: ignore[assignment]
