"""Networks in a model's weights: exact, reversible, and free where nothing changes.

Changes are added to the weights, not computed beside them at each step: on full-size SD 1.5 that costs less than one
step once, while two more matrices a layer cost at each of them. The weights as they were are set aside, never written
and put back as they are; on a graphics card without room for them they wait in the computer's memory.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from modules.processing.networks.layers import INNER, Layers, part_of
from modules.processing.networks.match import Target
from modules.processing.networks.tensors import NetworkTensors, read_network
from modules.processing.plan import NetworkPlan

if TYPE_CHECKING:
    from modules.processing.models.loader import LoadedModel

log = logging.getLogger(__name__)
FileKey = tuple[str, int, int]  # path, time of change, size
Signature = tuple[tuple[FileKey, float, int | None], ...]  # what a layer was changed by: file, multiplier, dyn
ROOM = 2 * 1024**3  # bytes of a graphics card that are left for the pictures


@dataclass(frozen=True, kw_only=True)
class Report:
    """How a network fits the model: `matched` of `total` modules; some of those that found no layer."""

    plan: NetworkPlan
    matched: int
    total: int
    missed: tuple[str, ...] = ()


class Applied:
    """What a loaded model's weights were changed by, and what they were before. Owned by the model."""

    def __init__(self) -> None:
        self.plans: tuple[NetworkPlan, ...] = ()
        self.reports: tuple[Report, ...] = ()
        self.signatures: dict[Target, Signature] = {}
        self.originals: dict[Target, dict[str, torch.Tensor]] = {}
        self.tensors: dict[FileKey, NetworkTensors] = {}
        self.layers: Layers | None = None
        self.modules: dict[Target, torch.nn.Module] = {}

    @property
    def text_key(self) -> tuple[Signature, ...]:
        """Tells two states of the text encoders apart: for caches of conditionings."""
        return tuple(dict.fromkeys(one for target, one in self.signatures.items() if target[0] != "unet"))

    @property
    def bytes(self) -> int:
        """Of the weights set aside and of the networks' tensors."""
        aside = sum(one.nbytes for parts in self.originals.values() for one in parts.values())
        return aside + sum(one.bytes for one in self.tensors.values())


@torch.no_grad()
def apply_networks(
    model: LoadedModel, plans: Iterable[NetworkPlan], *, allow_pickle: bool = False
) -> tuple[Report, ...]:
    """Have exactly these networks in the model's weights; none puts the weights back, bit by bit.

    One that is named twice counts with the sum of its multipliers. Layers whose networks stay are not touched.
    ModelError names a file that cannot be read; the model then has no network.
    """
    applied, wanted = model.networks, tuple(plans)
    if wanted == applied.plans:
        return applied.reports
    try:
        _change(model, applied, wanted, allow_pickle)
    except BaseException:
        _forget(applied)
        raise
    return applied.reports


def remove_networks(model: LoadedModel) -> None:
    """The weights as the checkpoint has them."""
    apply_networks(model, ())


def _change(model: LoadedModel, applied: Applied, plans: tuple[NetworkPlan, ...], allow_pickle: bool) -> None:
    if applied.layers is None:
        _look(model, applied)
    assert applied.layers is not None
    keys = {plan: _key(plan) for plan in plans}
    for plan, key in keys.items():
        if key not in applied.tensors:
            applied.tensors[key] = read_network(
                plan.file, applied.layers, allow_pickle=allow_pickle, device=model.device
            )
    applied.tensors = {key: one for key, one in applied.tensors.items() if key in keys.values()}
    wanted = _signatures(applied, plans, keys)
    for target in [one for one in applied.signatures if one not in wanted]:
        _restore(applied, target)
    fresh = [target for target in wanted if target not in applied.originals]
    aside = _place_aside(model.device, sum(_bytes(applied.modules[target]) for target in fresh))
    for target, signature in wanted.items():
        if applied.signatures.get(target) != signature:
            _merge(applied, target, signature, aside)
    applied.plans = plans
    applied.reports = tuple(_report(plan, applied.tensors[key]) for plan, key in keys.items())


def _look(model: LoadedModel, applied: Applied) -> None:
    """The model's own layers."""
    sizes: dict[Target, tuple[int, ...]] = {}
    parts = [("unet", model.unet), *zip((one.subfolder for one in model.family.text.encoders), model.text_encoders)]
    for folder, module in parts:
        part = "unet" if folder == "unet" else part_of(folder)
        for path, layer in module.named_modules():
            weight = getattr(layer, "weight", None)
            if isinstance(weight, torch.Tensor):
                target = (part, path if part == "unet" else path.removeprefix(INNER))
                sizes[target], applied.modules[target] = tuple(weight.shape), layer
    applied.layers = Layers(sizes, model.unet.config)


def _signatures(
    applied: Applied, plans: tuple[NetworkPlan, ...], keys: Mapping[NetworkPlan, FileKey]
) -> dict[Target, Signature]:
    """What each layer is to be changed by, in the order of the files' paths, whatever the order in the prompt."""
    found: dict[Target, dict[tuple[FileKey, int | None], float]] = {}
    for plan, key in sorted(keys.items(), key=lambda one: one[1]):
        for target in applied.tensors[key].targets:
            multiplier = plan.unet if target[0] == "unet" else plan.te
            own = found.setdefault(target, {})
            own[key, plan.dyn] = own.get((key, plan.dyn), 0.0) + multiplier * plans.count(plan)
    signatures = {
        target: tuple((key, multiplier, dyn) for (key, dyn), multiplier in own.items() if multiplier)
        for target, own in found.items()
    }
    return {target: one for target, one in signatures.items() if one}


def _merge(applied: Applied, target: Target, signature: Signature, aside: torch.device) -> None:
    """One layer's weights: as they were, and all changes added in float32."""
    layer = applied.modules[target]
    known = applied.originals.get(target, {})
    present = layer.get_parameter("weight").data
    device = present.device
    weight = known.get("weight", present).to(device)
    has_bias = isinstance(getattr(layer, "bias", None), torch.Tensor)
    kept, merged = dict(known), {}
    for key, multiplier, dyn in signature:
        for name, change in applied.tensors[key].changes(target, weight, bias=has_bias, dyn=dyn).items():
            before = kept.setdefault(name, getattr(layer, name).data.to(aside))
            if name in merged:
                merged[name].add_(change, alpha=multiplier)
            else:
                merged[name] = torch.add(before.to(device).float(), change, alpha=multiplier)
    applied.originals[target] = kept  # before the first weight is changed
    applied.signatures[target] = signature
    for name, value in kept.items():
        parameter: torch.Tensor = getattr(layer, name)
        parameter.data = merged[name].to(value.dtype) if name in merged else value.to(device)


def _restore(applied: Applied, target: Target) -> None:
    layer = applied.modules[target]
    for name, original in applied.originals.pop(target).items():
        parameter: torch.Tensor = getattr(layer, name)
        parameter.data = original.to(parameter.device)
    applied.signatures.pop(target, None)


def _forget(applied: Applied) -> None:
    """Everything as it was; after a failure."""
    for target in list(applied.originals):
        _restore(applied, target)
    applied.plans, applied.reports, applied.tensors = (), (), {}
    applied.signatures.clear()


def _place_aside(device: torch.device, needed: int) -> torch.device:
    """Where weights wait: where they are, unless a graphics card lacks the room for them."""
    if device.type == "cuda" and torch.cuda.mem_get_info(device)[0] < needed + ROOM:
        return torch.device("cpu")
    return device


def _bytes(layer: torch.nn.Module) -> int:
    return sum(one.nbytes for one in layer.parameters(recurse=False))


def _key(plan: NetworkPlan) -> FileKey:
    return (str(plan.file.path), plan.file.mtime, plan.file.size)


def _report(plan: NetworkPlan, tensors: NetworkTensors) -> Report:
    found = tensors.match
    return Report(plan=plan, matched=len(found.targets), total=found.total, missed=found.missed)
