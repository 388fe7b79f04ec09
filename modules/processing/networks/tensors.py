"""A network's tensors in memory, by the layers of a model that they change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from modules.core.errors import ModelError
from modules.processing.models.convert import Source
from modules.processing.models.weights import Weights
from modules.processing.networks.files import NetworkFile
from modules.processing.networks.keys import take_apart
from modules.processing.networks.kinds import Kind
from modules.processing.networks.layers import Layers
from modules.processing.networks.match import Match, Target, match

RANKED = ("down", "hada_w1_b", "lokr_w2_b", "lokr_w1_b")  # tensors whose first side is the rank


class NetworkTensors:
    """match: which layers of the model it changes, and what found none. bytes: of all tensors."""

    def __init__(self, found: Match, groups: dict[Target, tuple[Kind, dict[str, torch.Tensor]]]) -> None:
        self.match = found
        self._groups = groups
        self.bytes = sum(one.nbytes for _, group in groups.values() for one in group.values())

    @property
    def targets(self) -> list[Target]:
        return list(self._groups)

    def changes(
        self, target: Target, weight: torch.Tensor, *, bias: bool, dyn: int | None = None
    ) -> dict[str, torch.Tensor]:
        """The float32 changes of a layer's "weight", and of its "bias" where it has one, at multiplier 1.

        weight: as it is without any network. dyn: a LoRA's first ranks only, as A1111's "dyn".
        """
        kind, group = self._groups[target]
        if dyn is not None and kind.name == "LoRA":
            group = _cut(group, dyn)
        found = {"weight": kind.change(weight.float(), group)}
        moved = group.get("diff_b", group.get("b_norm"))
        if bias and moved is not None:
            found["bias"] = moved.float()
        return found


def read_network(
    file: NetworkFile, layers: Layers, *, allow_pickle: bool = False, device: torch.device | None = None
) -> NetworkTensors:
    """All tensors that fit the model's layers, on `device`. ModelError names the file and the cause."""
    if file.broken:
        raise ModelError(f"{file.path.name}: {file.broken}")
    weights = Weights.open(file.path, allow_pickle=allow_pickle)
    keys = take_apart(weights.names)
    tensors = {name: weights.get(Source(name)) for name in weights.names if not name.startswith("bundle_emb.")}
    found = match(keys, {name: tuple(one.shape) for name, one in tensors.items()}, layers)
    configs = _configs(file)
    groups: dict[Target, tuple[Kind, dict[str, torch.Tensor]]] = {}
    for target, (kind, group) in found.targets.items():
        own = {what: tensors[key].to(device, copy=True) for what, key in group.items()}  # the mapped file is let go
        if "alpha" not in own and configs:
            own |= _alpha(own, configs, target)
        groups[target] = kind, own
    return NetworkTensors(found, groups)


def _cut(group: Mapping[str, torch.Tensor], rank: int) -> dict[str, torch.Tensor]:
    """A LoRA's first `rank` ranks; its scale stays that of all of them."""
    full = group["down"].shape[0]
    cut = {**group, "up": group["up"][:, :rank], "down": group["down"][:rank]}
    if "mid" in group:
        cut["mid"] = group["mid"][:rank, :rank]
    if "alpha" in group:
        cut["alpha"] = group["alpha"] * (min(rank, full) / full)
    return cut


def _configs(file: NetworkFile) -> dict[str, dict[str, Any]]:
    """PEFT's configs by the part they are for ("": all parts): in diffusers' metadata, or beside a file of PEFT.

    Such files have no alpha tensors.
    """
    try:
        beside = file.path.with_name("adapter_config.json")
        told = file.metadata.get("lora_adapter_metadata")
        if told is None:
            return {"": dict(json.loads(beside.read_text("utf-8")))} if _of_peft(file, beside) else {}
        configs: dict[str, dict[str, Any]] = {}
        for name, value in dict(json.loads(told)).items():
            part, _, key = name.partition(".")
            configs.setdefault(part, {})[key] = value
        return configs
    except (OSError, TypeError, ValueError):
        return {}


def _of_peft(file: NetworkFile, beside: Path) -> bool:
    return file.path.name.startswith("adapter_model") and beside.is_file()


def _alpha(
    group: Mapping[str, torch.Tensor], configs: Mapping[str, Mapping[str, Any]], target: Target
) -> dict[str, torch.Tensor]:
    """The alpha that a PEFT config gives a layer, with rsLoRA's root in it."""
    config = configs.get(target[0], configs.get(""))
    ranked = next((group[name] for name in RANKED if name in group), None)
    if config is None or ranked is None:
        return {}
    rank = ranked.shape[0]
    patterns: Mapping[str, Any] = config.get("alpha_pattern") or {}
    alpha = next((patterns[one] for one in patterns if _same_end(target[1], one)), None)
    alpha = config.get("lora_alpha", config.get("alpha")) if alpha is None else alpha
    if alpha is None:
        return {}
    return {"alpha": torch.tensor(float(alpha) * (rank**0.5 if config.get("use_rslora") else 1.0))}


def _same_end(path: str, pattern: str) -> bool:
    """PEFT's patterns are ends of paths; those of text encoders have "text_model." or not."""
    pattern = pattern.removeprefix("text_model.")
    return path == pattern or path.endswith(f".{pattern}")
