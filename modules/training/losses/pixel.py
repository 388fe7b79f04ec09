"""How far a reconstruction is from its picture, part by part. Pictures are RGB float in [-1, 1], [B, 3, H, W]."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def l1(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).abs().mean()


def l2(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).square().mean()


def edges(output: Tensor, target: Tensor) -> Tensor:
    """L1 of the differences between neighbours, at full, half and quarter size: sharp rims, no trained network."""
    total = output.new_zeros(())
    for _ in range(3):
        difference = output - target
        total = total + difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()
        output, target = F.avg_pool2d(output, 2), F.avg_pool2d(target, 2)
    return total / 3


def colour(output: Tensor, target: Tensor) -> Tensor:
    """L2 of the means over 8x8 pixels."""
    return F.avg_pool2d(output - target, 8).square().mean()
