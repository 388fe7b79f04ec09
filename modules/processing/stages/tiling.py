"""Seamless pictures: convolutions that wrap around the edges of one axis or of both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Literal

import torch
from torch.nn import functional

Axes = Literal["x", "y", "both"]  # "x": the left edge meets the right one
FORWARD = "_conv_forward"  # what torch's convolution calls to pad and convolve


@contextmanager
def circular_padding(*modules: torch.nn.Module, axes: Axes | None = "both") -> Iterator[None]:
    """Every convolution of the modules wraps around for a while, with None does not; the old padding comes back."""
    convolutions = [one for module in modules for one in module.modules() if isinstance(one, torch.nn.Conv2d)]
    wrap = (axes in ("y", "both"), axes in ("x", "both"))
    before = [one.__dict__.pop(FORWARD, None) for one in convolutions]
    try:
        for one in convolutions if axes else []:
            one.__dict__[FORWARD] = partial(_convolve, one, wrap)
        yield
    finally:
        for one, old in zip(convolutions, before):
            one.__dict__.pop(FORWARD, None)
            if old is not None:
                one.__dict__[FORWARD] = old


def wrapped_axes(module: torch.nn.Module) -> tuple[bool, bool]:
    """Whether the module's convolutions wrap around now: (top to bottom, left to right)."""
    for one in module.modules():
        if isinstance(one, torch.nn.Conv2d):
            told = one.__dict__.get(FORWARD)
            return told.args[1] if told else (False, False)
    return (False, False)


def _convolve(
    convolution: torch.nn.Conv2d,
    wrap: tuple[bool, bool],
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
) -> torch.Tensor:
    left, right, top, bottom = convolution._reversed_padding_repeated_twice
    x = functional.pad(x, (left, right, 0, 0), mode="circular" if wrap[1] else "constant")
    x = functional.pad(x, (0, 0, top, bottom), mode="circular" if wrap[0] else "constant")
    return functional.conv2d(x, weight, bias, convolution.stride, 0, convolution.dilation, convolution.groups)
