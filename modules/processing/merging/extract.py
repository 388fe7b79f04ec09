"""The LoRA that comes nearest to what a training changed: the difference of two checkpoints, by SVD. Needs torch."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from torch import Tensor

from modules.core.errors import UserError
from modules.processing.merging.low_rank import nearest
from modules.processing.merging.networks import lora_tensors
from modules.processing.merging.parts import Parts
from modules.processing.merging.request import ExtractNetwork
from modules.processing.models.tensor_files import Spec
from modules.processing.networks.names import kohya_name

TEXT_LAYERS = re.compile(r"text_encoder(_2)?/.*encoder\.layers\..*\.weight$")


def extract(
    request: ExtractNetwork, tuned: Parts, base: Parts, on_layer: Callable[[float], None] = lambda fraction: None
) -> dict[str, Tensor]:
    """fp32, by kohya's names; layers that did not change are left out. `on_layer` is told the share that is done."""
    _check(tuned, base)
    wanted = {name: rank for name, spec in tuned.specs.items() if (rank := _rank(request, name, spec))}
    made: dict[str, Tensor] = {}
    for count, (name, rank) in enumerate(wanted.items()):
        on_layer(count / len(wanted))
        change = tuned.get(name).float() - base.get(name).float()
        if change.any():
            part: Any
            part, _, path = name.removesuffix(".weight").partition("/")
            made |= lora_tensors(
                kohya_name(part, path, family=tuned.family.name, unet=tuned.unet), *nearest(change, rank)
            )
    if not made:
        raise UserError(f"{tuned.label} and {base.label} have the same weights.", field="tuned")
    return made


def _rank(request: ExtractNetwork, name: str, spec: Spec) -> int:
    """0 for tensors that a LoRA does not touch: kohya's programs take the same layers."""
    if not name.endswith(".weight") or len(spec.shape) < 2:
        return 0
    if TEXT_LAYERS.match(name):
        return request.rank if request.text_encoder else 0
    if not name.startswith("unet/"):
        return 0
    wide = len(spec.shape) == 4 and spec.shape[-1] > 1
    if ".attentions." in name:
        return request.conv_rank if wide else request.rank
    blocks = re.search(r"\.(resnets|downsamplers|upsamplers)\.", name)
    return (request.conv_rank if wide else request.rank) if blocks and request.conv_rank else 0


def _check(tuned: Parts, base: Parts) -> None:
    for name, spec in tuned.specs.items():
        other = base.specs.get(name)
        if not name.startswith("vae/") and (other is None or other.shape != spec.shape):
            shape = other.shape if other else "missing"
            raise UserError(
                f"{name} is {spec.shape} in {tuned.label}, but {shape} in {base.label}.",
                hint="Only models of one architecture have a difference.",
                field="base",
            )
