"""LoKr (Yeh et al. 2023, arXiv:2309.14859): the Kronecker product of a small matrix and a larger one."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING

from modules.core.lazy import lazy_import
from modules.processing.networks.kinds import Kind, Size, Sizes, kinds
from modules.processing.networks.scale import decompose, scale

if TYPE_CHECKING:
    import torch

    from modules.processing.networks.kinds import Tensors
else:
    torch = lazy_import("torch")


def _has(names: Collection[str]) -> bool:
    return all(f"lokr_{one}" in names or {f"lokr_{one}_a", f"lokr_{one}_b"} <= set(names) for one in ("w1", "w2"))


def _rank(sizes: Sizes) -> int:
    """Of the factor that is split in two; 0 when neither is."""
    return next((sizes[one][0] for one in ("lokr_w2_b", "lokr_w1_b") if one in sizes), 0)


def _fits(sizes: Sizes, weight: Size) -> bool:
    first, second = _factor(sizes, "w1"), _factor(sizes, "w2")
    inputs, kernel = first[1] * math.prod(second[1:]), math.prod(weight[2:])
    return first[0] * second[0] == weight[0] and inputs == weight[1] * kernel


def _factor(sizes: Sizes, which: str) -> Size:
    if whole := sizes.get(f"lokr_{which}"):
        return whole
    a, b, middle = sizes[f"lokr_{which}_a"], sizes[f"lokr_{which}_b"], sizes.get("lokr_t2")
    if which == "w2" and middle:
        return (a[1], b[1], *middle[2:])
    return (a[0], *b[1:])


def _change(weight: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    first, second = _matrix(tensors, "w1"), _matrix(tensors, "w2")
    rank = _rank({name: tuple(one.shape) for name, one in tensors.items()})
    by = scale(tensors, rank) if rank else 1.0  # two whole matrices have no rank, and their alpha means nothing
    if "lokr_t2" not in tensors and second.ndim == 2 and weight.ndim == 4:
        kernel = weight.shape[2:]
        second = second.reshape(second.shape[0], -1, *kernel)
    if second.ndim > first.ndim:
        first = first.reshape(*first.shape, *[1] * (second.ndim - first.ndim))
    return decompose(weight, (torch.kron(first, second.contiguous()) * by).reshape(weight.shape), tensors)


def _matrix(tensors: Tensors, which: str) -> torch.Tensor:
    if (whole := tensors.get(f"lokr_{which}")) is not None:
        return whole.float()
    a, b = tensors[f"lokr_{which}_a"].float(), tensors[f"lokr_{which}_b"].float()
    if which == "w2" and "lokr_t2" in tensors:
        return torch.einsum("rskl,ro,si->oikl", tensors["lokr_t2"].float(), a, b)
    return (a @ b.flatten(1)).reshape(a.shape[0], *b.shape[1:])


kinds.add("LoKr", Kind(name="LoKr", has=_has, rank=_rank, fits=_fits, change=_change))
