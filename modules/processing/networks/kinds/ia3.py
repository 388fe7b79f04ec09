"""(IA)3 (Liu et al. 2022, arXiv:2205.05638): every input or output scaled. PEFT stores factors, LyCORIS factors - 1."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from modules.processing.networks.kinds import Kind, Size, Sizes, kinds

if TYPE_CHECKING:
    import torch

    from modules.processing.networks.kinds import Tensors


def _fits(sizes: Sizes, weight: Size) -> bool:
    vector = sizes.get("ia3_l") or sizes["weight"]
    return len(weight) > 1 and math.prod(vector) in weight[:2]


def _change(weight: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    if "ia3_l" in tensors:  # (out, 1) outputs, (1, in) inputs
        factors = tensors["ia3_l"].float()
        axis = 0 if factors.shape[0] == weight.shape[0] and factors.shape[0] > 1 else 1
        return weight * _along(factors - 1, axis, weight.ndim)
    return weight * _along(tensors["weight"].float(), 1 if bool(tensors["on_input"]) else 0, weight.ndim)


def _along(vector: torch.Tensor, axis: int, ndim: int) -> torch.Tensor:
    shape = [1] * ndim
    shape[axis] = -1
    return vector.reshape(shape)


kinds.add(
    "IA3",
    Kind(
        name="IA3",
        has=lambda names: "ia3_l" in names or {"weight", "on_input"} <= set(names),
        rank=lambda sizes: 0,
        fits=_fits,
        change=_change,
    ),
)
