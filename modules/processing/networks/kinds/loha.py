"""LoHa (Hyeon-Woo et al. 2021, arXiv:2108.06098): the elementwise product of two low-rank matrices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from modules.core.lazy import lazy_import
from modules.processing.networks.kinds import Kind, Size, Sizes, kinds
from modules.processing.networks.scale import decompose, scale

if TYPE_CHECKING:
    import torch

    from modules.processing.networks.kinds import Tensors
else:
    torch = lazy_import("torch")

NEEDS = {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"}


def _fits(sizes: Sizes, weight: Size) -> bool:
    a, b = sizes["hada_w1_a"], sizes["hada_w1_b"]
    if middle := sizes.get("hada_t1"):
        return (a[1], b[1]) == weight[:2] and middle[2:] == weight[2:]
    return a[0] == weight[0] and math.prod(b[1:]) == math.prod(weight[1:])


def _change(weight: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    halves: list[torch.Tensor] = []
    for which in ("1", "2"):
        a, b = (tensors[f"hada_w{which}_{side}"].float() for side in "ab")
        middle = tensors.get(f"hada_t{which}")
        if middle is None:
            halves.append((a @ b.flatten(1)).reshape(weight.shape))
        else:
            halves.append(torch.einsum("rskl,ro,si->oikl", middle.float(), a, b))
    change = halves[0] * halves[1] * scale(tensors, tensors["hada_w1_b"].shape[0])
    return decompose(weight, change, tensors)


kinds.add(
    "LoHa",
    Kind(
        name="LoHa",
        has=lambda names: set(names) >= NEEDS,
        rank=lambda sizes: sizes["hada_w1_b"][0],
        fits=_fits,
        change=_change,
    ),
)
