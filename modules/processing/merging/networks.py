"""LoRA and its like in merging: added to the weights of a checkpoint, or several made one. Needs torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from modules.core.errors import UserError
from modules.processing.merging.low_rank import nearest
from modules.processing.merging.parts import layer_names
from modules.processing.merging.request import WeighedNetwork
from modules.processing.models.families import Family
from modules.processing.models.standard import standard_names
from modules.processing.models.tensor_files import TensorFile
from modules.processing.networks.files import NetworkFile
from modules.processing.networks.keys import take_apart
from modules.processing.networks.kinds import kind_of
from modules.processing.networks.names import kohya_name
from modules.processing.networks.scale import scale

PLAIN = {"up", "down", "alpha", "scale"}  # of a LoRA whose change is the product of two matrices


@dataclass(frozen=True)
class _Part:
    """What one network does to one layer."""

    file: TensorFile
    keys: Mapping[str, str]
    weight: float

    def tensors(self) -> dict[str, Tensor]:
        return {name: self.file.get(key) for name, key in self.keys.items()}


class Changes:
    """The changes that networks make to the tensors of one checkpoint, called "unet/conv_in.weight" and so on."""

    def __init__(
        self,
        networks: Sequence[tuple[NetworkFile, WeighedNetwork]],
        names: Iterable[str],
        unet: Mapping[str, Any],
    ) -> None:
        """UserError when a network has nothing for this checkpoint. `notes` tell of those that fit in part."""
        layers = layer_names(names, unet)
        self.notes: list[str] = []
        self._parts: dict[str, list[_Part]] = {}
        for found, wish in networks:
            file, groups = _open(found)
            matched = 0
            for module, keys in groups.items():
                layer = layers.find(module)
                if layer is None:
                    continue
                matched += 1
                weight = _weight(wish, layer[0])
                self._parts.setdefault("/".join(layer), []).append(_Part(file, keys, weight))
            if not matched:
                raise UserError(f"{found.name} has no layer of this checkpoint.", field="networks")
            if matched < len(groups):
                self.notes.append(f"{found.name}: {matched} of {len(groups)} layers are in this checkpoint.")

    def __call__(self, name: str, value: Tensor) -> Tensor:
        """`value`, fp32, with all changes; each is made of the value as it comes."""
        layer, _, kind = name.rpartition(".")
        changed = value
        for part in self._parts.get(layer, ()):
            if kind == "weight":
                changed = changed + part.weight * _change(part, name, value)
            elif kind == "bias":
                for bias in ("diff_b", "b_norm"):
                    if bias in part.keys:
                        changed = changed + part.weight * part.file.get(part.keys[bias]).float()
        return changed


def combine(
    networks: Sequence[tuple[NetworkFile, WeighedNetwork]], family: Family, rank: int, conv_rank: int
) -> dict[str, Tensor]:
    """One LoRA with the effect of several, fp32, by kohya's names; alpha is the rank.

    rank 0: exact, the matrices side by side. Else the nearest of that rank, 3x3 convolutions of `conv_rank`.
    UserError for kinds whose change depends on the checkpoint, and for kinds without a rank where it must be exact.
    """
    standard = standard_names(family)
    shapes = {f"{part}/{name}": shape for part, names in standard.items() for name, shape in names.items()}
    layers = layer_names(shapes, family.unet)
    parts: dict[str, list[_Part]] = {}
    sizes: dict[str, tuple[int, ...] | None] = {}
    for found, wish in networks:
        file, groups = _open(found)
        for module, keys in groups.items():
            layer = layers.find(module)
            name = kohya_name(*layer, family=family.name) if layer else module
            sizes[name] = shapes["/".join(layer) + ".weight"] if layer else None
            weight = _weight(wish, layer[0] if layer else "text_encoder" if "_te" in module[:10] else "unet")
            parts.setdefault(name, []).append(_Part(file, keys, weight))
    made: dict[str, Tensor] = {}
    for name, several in parts.items():
        if rank:
            whole = sum((part.weight * _change_alone(part, name, sizes[name]) for part in several), torch.zeros(()))
            wanted = conv_rank or rank if whole.ndim == 4 and whole.shape[-1] > 1 else rank
            up, down = nearest(whole, wanted)
        else:
            up, down = _side_by_side(several, name)
        made |= lora_tensors(name, up, down)
    return made


def lora_tensors(name: str, up: Tensor, down: Tensor) -> dict[str, Tensor]:
    """A layer's tensors by kohya's names, with the alpha that makes up @ down the change."""
    alpha = torch.tensor(float(down.shape[0]))
    return {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down, f"{name}.alpha": alpha}


def _open(found: NetworkFile) -> tuple[TensorFile, dict[str, dict[str, str]]]:
    if found.path.suffix.lower() != ".safetensors":
        raise UserError(f"{found.path.name} is a pickle file.", hint="Convert it to .safetensors.", field="networks")
    file = TensorFile(found.path)
    return file, take_apart(file.specs).modules


def _weight(wish: WeighedNetwork, part: str) -> float:
    return wish.weight if part == "unet" or wish.text_weight is None else wish.text_weight


def _change(part: _Part, name: str, value: Tensor) -> Tensor:
    tensors = part.tensors()
    kind = kind_of(tensors)
    if kind is None:
        return torch.zeros(())
    sizes = {one: tuple(tensor.shape) for one, tensor in tensors.items()}
    if not kind.fits(sizes, tuple(value.shape)):
        raise UserError(
            f"{part.file.label} does not fit {name}: it is {tuple(value.shape)} in the checkpoint.", field="networks"
        )
    return kind.change(value, tensors)


def _change_alone(part: _Part, name: str, shape: tuple[int, ...] | None) -> Tensor:
    """Of kinds whose change does not depend on the weight."""
    tensors = part.tensors()
    kind = kind_of(tensors)
    if kind is None or kind.name not in ("LoRA", "LoHa", "LoKr", "full") or {"magnitude", "dora_scale"} & set(tensors):
        raise _dependent(part)
    if kind.name == "LoRA":  # tells its own size, also for a model of another architecture
        kernel = tensors.get("mid", tensors["down"]).shape[2:]
        shape = (tensors["up"].shape[0], tensors["down"].shape[1], *kernel)
    if shape is None:
        raise UserError(f"{part.file.label}: the size of {name} is not known.", field="networks")
    return kind.change(torch.zeros(shape), tensors)


def _side_by_side(several: Sequence[_Part], name: str) -> tuple[Tensor, Tensor]:
    ups, downs = [], []
    for part in several:
        tensors = part.tensors()
        if not {"up", "down"} <= set(tensors) <= PLAIN:
            raise UserError(
                f"{part.file.label} cannot be merged exactly: {name} has {', '.join(sorted(tensors))}.",
                hint="Give a rank.",
                field="rank",
            )
        ups.append(tensors["up"].float() * (scale(tensors, tensors["down"].shape[0]) * part.weight))
        downs.append(tensors["down"].float())
    return torch.cat(ups, dim=1), torch.cat(downs)


def _dependent(part: _Part) -> UserError:
    return UserError(
        f"{part.file.label} changes weights in proportion to what they are, which no LoRA can hold.",
        hint="Merge it into a checkpoint.",
        field="networks",
    )
