"""GLoRA (Chavan et al. 2023, arXiv:2306.07967): W A + B with both A and B of low rank."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from modules.processing.networks.kinds import Kind, Size, Sizes, kinds
from modules.processing.networks.scale import scale

if TYPE_CHECKING:
    import torch

    from modules.processing.networks.kinds import Tensors


def _fits(sizes: Sizes, weight: Size) -> bool:
    wide, tall = ("b1", "b2") if sizes["b1"][0] == weight[0] else ("b2", "b1")
    return sizes[wide][0] == weight[0] and math.prod(sizes[tall][1:]) == math.prod(weight[1:])


def _change(weight: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    a1, a2, b1, b2 = (tensors[name].float().flatten(1) for name in ("a1", "a2", "b1", "b2"))
    if b1.shape[0] != weight.shape[0] or b1.shape[1] != b2.shape[0]:  # older files name the two the other way round
        a1, a2, b1, b2 = a2, a1, b2, b1
    flat = weight.transpose(0, 1).flatten(1)  # (in, out * kernel)
    inputs = (a2.T @ (a1.T @ flat)).reshape(weight.transpose(0, 1).shape).transpose(0, 1)
    return ((b1 @ b2).reshape(weight.shape) + inputs) * scale(tensors, b1.shape[1])


kinds.add(
    "GLoRA",
    Kind(
        name="GLoRA",
        has=lambda names: {"a1", "a2", "b1", "b2"} <= set(names),
        rank=lambda sizes: min(sizes["b1"][:2]),
        fits=_fits,
        change=_change,
    ),
)
