"""The whole difference of a weight, and of its bias."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from modules.core.lazy import lazy_import
from modules.processing.networks.kinds import Kind, Size, Sizes, kinds

if TYPE_CHECKING:
    import torch

    from modules.processing.networks.kinds import Tensors
else:
    torch = lazy_import("torch")


def _fits(sizes: Sizes, weight: Size) -> bool:
    if "diff" not in sizes:
        return sizes["diff_b"] == weight[:1]
    return math.prod(sizes["diff"]) == math.prod(weight)


def _change(weight: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    difference = tensors.get("diff")
    return torch.zeros_like(weight) if difference is None else difference.float().reshape(weight.shape)


kinds.add(
    "full",
    Kind(
        name="full",
        has=lambda names: "diff" in names or set(names) == {"diff_b"},  # beside a LoRA it is only its bias
        rank=lambda sizes: 0,
        fits=_fits,
        change=_change,
    ),
)
