"""LoRA (Hu et al. 2021, arXiv:2106.09685): linear, convolution, and 3x3 with a middle (CP). With magnitudes: DoRA."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.core.lazy import lazy_import
from modules.processing.networks.kinds import Kind, Size, Sizes, kinds
from modules.processing.networks.scale import decompose, scale

if TYPE_CHECKING:
    import torch

    from modules.processing.networks.kinds import Tensors
else:
    torch = lazy_import("torch")


def _fits(sizes: Sizes, weight: Size) -> bool:
    up, down, mid = sizes["up"], sizes["down"], sizes.get("mid")
    kernel = (mid if mid else down)[2:]
    return up[1] == (mid[0] if mid else down[0]) and plain((up[0], down[1], *kernel)) == plain(weight)


def plain(size: Size) -> Size:
    """The size without the kernel of a 1x1 convolution, which files keep and leave out alike."""
    return size[:2] if all(one == 1 for one in size[2:]) else size


def _change(weight: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    up, down, mid = tensors["up"].float(), tensors["down"].float(), tensors.get("mid")
    by = scale(tensors, down.shape[0])
    if mid is None:
        change = (up.flatten(1) * by) @ down.flatten(1)
    else:
        change = torch.einsum("or,rskl,si->oikl", up.flatten(1) * by, mid.float(), down.flatten(1))
    return decompose(weight, change.reshape(weight.shape), tensors)


kinds.add(
    "LoRA",
    Kind(
        name="LoRA",
        has=lambda names: {"up", "down"} <= set(names),
        rank=lambda sizes: sizes["down"][0],
        fits=_fits,
        change=_change,
    ),
)
