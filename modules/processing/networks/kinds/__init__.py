"""The kinds of networks, one file each: how their tensors become a change of a weight.

A new file here is a new kind. `change` is at multiplier 1; every kind's change is scaled linearly by its multiplier,
as in A1111 and ComfyUI, so that 0 is the model itself. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modules.core.registry import Registry, import_folder

if TYPE_CHECKING:
    import torch

    Tensors = Mapping[str, torch.Tensor]

Size = tuple[int, ...]
Sizes = Mapping[str, Size]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One way of storing a change, by the names of modules.processing.networks.keys.

    has: whether a module's tensors are of this kind. fits: whether tensors of these sizes change a weight of that
    size. rank: 0 where there is none. change(weight, tensors): the weight's change, of its size, float32.
    """

    name: str
    has: Callable[[Collection[str]], bool]
    rank: Callable[[Sizes], int]
    fits: Callable[[Sizes, Size], bool]
    change: Callable[[torch.Tensor, Tensors], torch.Tensor]


kinds: Registry[Kind] = Registry("network kind")


def kind_of(names: Collection[str]) -> Kind | None:
    """The kind of a module that has tensors of these names."""
    return next((one for _, one in kinds.items() if one.has(names)), None)


import_folder(__name__)
