"""What several kinds share: alpha, and DoRA's magnitudes around any low-rank change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.core.lazy import lazy_import

if TYPE_CHECKING:
    import torch

    from modules.processing.networks.kinds import Tensors
else:
    torch = lazy_import("torch")


def scale(tensors: Tensors, rank: int) -> float:
    """alpha / rank; 1 without an alpha. rsLoRA files need no other rule: their alpha is stored times sqrt(rank)."""
    if "scale" in tensors:
        return float(tensors["scale"])
    return float(tensors["alpha"]) / rank if "alpha" in tensors else 1.0


def decompose(weight: torch.Tensor, change: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    """DoRA (Liu et al. 2024, arXiv:2402.09353, eq. 5) where the tensors have magnitudes, else `change` as it is.

    PEFT's magnitudes are of the rows. `dora_scale` tells by its shape: (out, 1, ...) rows, (1, in, 1, ...) columns.
    """
    rows = "magnitude" in tensors
    magnitude = tensors.get("magnitude", tensors.get("dora_scale"))
    if magnitude is None:
        return change
    rows = rows or (magnitude.shape[0] == weight.shape[0] and magnitude.numel() == weight.shape[0])
    axis = 0 if rows else 1
    shape = [1] * weight.ndim
    shape[axis] = -1
    merged = weight + change
    norm = merged.transpose(0, axis).flatten(1).norm(dim=1).reshape(shape)
    tiny = torch.finfo(merged.dtype).eps
    return merged * (magnitude.float().reshape(shape) / (norm + tiny)) - weight
