"""Which of a network's modules fit which layers of a model. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from modules.processing.networks.keys import Keys
from modules.processing.networks.kinds import Kind, Sizes, kind_of
from modules.processing.networks.layers import Layers
from modules.processing.networks.names import Part

Target = tuple[Part, str]  # part, path


@dataclass(frozen=True, kw_only=True)
class Match:
    """targets: layer -> (kind, its tensors' keys). missed: modules and keys that found no layer."""

    targets: dict[Target, tuple[Kind, dict[str, str]]]
    missed: tuple[str, ...]

    @property
    def total(self) -> int:
        return len(self.targets) + len(self.missed)


def match(keys: Keys, sizes: Sizes, layers: Layers) -> Match:
    """Modules of a file by the layers of a model that they change; sizes: of each key's tensor."""
    targets: dict[Target, tuple[Kind, dict[str, str]]] = {}
    missed: list[str] = []
    for name, group in keys.modules.items():
        own = {what: sizes[key] for what, key in group.items()}
        kind, target = kind_of(own), layers.find(name)
        if kind is None or target is None or target in targets or not _fits(kind, own, layers, target):
            missed.append(name)
        else:
            targets[target] = kind, group
    return Match(targets=targets, missed=(*missed, *keys.unknown))


def _fits(kind: Kind, sizes: Sizes, layers: Layers, target: Target) -> bool:
    try:
        return kind.fits(sizes, layers.sizes[target])
    except LookupError:  # tensors are missing, or have too few dimensions
        return False
