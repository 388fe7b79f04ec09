"""Checkpoints into one, tensor by tensor: memory holds no more than a few tensors of them. Needs torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from modules.core.errors import UserError
from modules.processing.merging.request import MergeCheckpoints
from modules.processing.models.tensor_files import Spec, Tensors

FIRST_LAYERS = ("model.diffusion_model.input_blocks.0.0.weight", "unet/conv_in.weight")
EMA = "model_ema."  # a mean of weights that the result does not have
PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
Change = Callable[[str, Tensor], Tensor]  # a tensor's name and its value, fp32 -> what networks make of it


@dataclass(frozen=True)
class Result:
    """What the merged model is like, and its tensors one by one."""

    specs: Mapping[str, Spec]
    get: Callable[[str], Tensor]


def merge(
    request: MergeCheckpoints,
    primary: Tensors,
    others: tuple[Tensors, ...],
    vae: Tensors | None = None,
    change: Change | None = None,
) -> Result:
    """All sources in one layout; others: B and C as the method needs them; vae: with its prefix, as in the layout.

    Computed in fp32 and stored in A's types or in the wanted precision. Tensors that B or C lacks stay A's; those that
    only B has are taken from there. UserError for shapes that do not fit.
    """
    home: dict[str, Tensors] = dict.fromkeys(primary.specs, primary)
    for one in others[:1]:
        home = {**dict.fromkeys(one.specs, one), **home}
    if vae is not None:
        home |= dict.fromkeys(vae.specs, vae)
    discard = re.compile(request.discard) if request.discard else None
    names = [name for name in home if not name.startswith(EMA) and not (discard and discard.search(name))]
    if not names:
        raise UserError(f"discard {request.discard!r} leaves nothing.", field="discard")
    _check_shapes(primary, others)
    specs = {name: _stored(home[name].specs[name], request.saving.precision) for name in names}

    def get(name: str) -> Tensor:
        value = home[name].get(name)
        if not value.is_floating_point():
            return value
        mixed = value.float()
        if home[name] is primary and others and all(name in one.specs for one in others):
            mixed = _mix(request, mixed, [one.get(name).float() for one in others])
        if change is not None:
            mixed = change(name, mixed)
        return mixed.to(specs[name].dtype)

    return Result(specs, get)


def _mix(request: MergeCheckpoints, a: Tensor, others: list[Tensor]) -> Tensor:
    """Of networks with more input channels than the others, the first four channels are merged."""
    m = request.multiplier
    if a.shape != others[0].shape:
        mixed = a.clone()
        mixed[:, :4] = _mix(request, a[:, :4], others)
        return mixed
    if request.method == "weighted_sum":
        return a * (1 - m) + others[0] * m
    return a + (others[0] - others[1]) * m


def _check_shapes(primary: Tensors, others: tuple[Tensors, ...]) -> None:
    for field, other in zip(("secondary", "tertiary"), others):
        shared = [name for name in primary.specs if name in other.specs]
        if not shared:
            raise UserError(f"{other.label} and {primary.label} have no tensor in common.", field=field)
        for name in shared:
            a, b = primary.specs[name].shape, other.specs[name].shape
            if a == b or (name in FIRST_LAYERS and a[0] == b[0] and a[1] > b[1] == 4):
                continue
            special = name in FIRST_LAYERS and b[1] > a[1] == 4
            raise UserError(
                f"{name} is {b} in {other.label}, but {a} in {primary.label}.",
                hint="A model for inpainting or InstructPix2Pix must be the primary one."
                if special
                else "Only models of one architecture can be merged.",
                field=field,
            )


def _stored(spec: Spec, precision: str) -> Spec:
    return Spec(PRECISIONS[precision], spec.shape) if precision in PRECISIONS and spec.dtype.is_floating_point else spec
