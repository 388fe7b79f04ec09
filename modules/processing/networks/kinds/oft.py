"""OFT (Qiu et al. 2023, arXiv:2306.07280) and BOFT (Liu et al. 2023, arXiv:2311.06243): the outputs, turned.

Blocks of outputs are turned by R = (I + Q) (I - Q)^-1 with Q skew (Cayley); BOFT does so in stages, the outputs
shuffled between them as by a fast Fourier transform. alpha is not a scale here but bounds the norm of Q.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from modules.core.lazy import lazy_import
from modules.processing.networks.kinds import Kind, Size, kinds

if TYPE_CHECKING:
    import torch

    from modules.processing.networks.kinds import Tensors
else:
    torch = lazy_import("torch")


def _fits(sizes: Mapping[str, Size], weight: Size) -> bool:
    blocks = _blocks(sizes)
    count, side = blocks[-3], blocks[-1]
    return len(weight) > 1 and count * side == weight[0] and (len(blocks) == 3 or side % 2 == 0)


def _blocks(named: Mapping[str, Size]) -> Size:
    return named["oft_blocks"] if "oft_blocks" in named else named["oft_diag"]


def _change(weight: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    blocks = tensors["oft_blocks" if "oft_blocks" in tensors else "oft_diag"].float()
    bound = float(tensors["alpha"]) * weight.shape[0] if "alpha" in tensors and "oft_blocks" in tensors else 0.0
    turns = cayley(blocks, bound)
    if turns.ndim == 3:
        turned = _turn(weight, turns.transpose(1, 2))
    else:
        turned = weight
        for stage, turn in enumerate(turns):
            turned = _butterfly(turned, turn, 2**stage * turn.shape[-1] // 2)
    if "rescale" in tensors:
        turned = turned * tensors["rescale"].float().reshape(-1, *[1] * (weight.ndim - 1))
    return turned - weight


def cayley(blocks: torch.Tensor, bound: float) -> torch.Tensor:
    """Rotations [..., n, n] of the skew parts of `blocks`, all of them together of a norm up to `bound`; 0: any."""
    skew = blocks - blocks.transpose(-1, -2)
    norm = float(skew.norm()) + 1e-8
    if 0 < bound < norm:
        skew = skew * (bound / norm)
    eye = torch.eye(skew.shape[-1], device=skew.device)
    return (eye + skew) @ torch.linalg.inv(eye - skew)


def _turn(weight: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Each block of rows by its own matrix; turns: [blocks, n, n]."""
    rows = weight.reshape(turns.shape[0], turns.shape[1], -1)
    return torch.bmm(turns, rows).reshape(weight.shape)


def _butterfly(weight: torch.Tensor, turns: torch.Tensor, reach: int) -> torch.Tensor:
    """One stage: rows `reach` apart meet in a block."""
    shuffled = weight.reshape(-1, 2, reach, *weight.shape[1:]).transpose(1, 2).reshape(weight.shape)
    turned = _turn(shuffled, turns)
    return turned.reshape(-1, reach, 2, *weight.shape[1:]).transpose(1, 2).reshape(weight.shape)


kinds.add(
    "OFT",
    Kind(
        name="OFT",
        has=lambda names: "oft_blocks" in names or "oft_diag" in names,
        rank=lambda sizes: _blocks(sizes)[-1],
        fits=_fits,
        change=_change,
    ),
)
