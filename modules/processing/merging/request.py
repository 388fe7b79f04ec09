"""What is asked of merging: a checkpoint of several, a LoRA of several, a LoRA out of two checkpoints."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from modules.core.errors import UserError
from modules.imaging.names import safe_part
from modules.processing.requests import read_dataclass

Method = Literal["none", "weighted_sum", "add_difference"]
Precision = Literal["same", "fp32", "fp16", "bf16"]
MOST_RANK = 1024


@dataclass(frozen=True, kw_only=True)
class WeighedNetwork:
    """A LoRA or its like by name; `text_weight` for the text encoders, None: as `weight`."""

    name: str
    weight: float = 1.0
    text_weight: float | None = None


@dataclass(frozen=True, kw_only=True)
class Saving:
    """`name` of the result, empty: one that tells the recipe. `precision`: of its weights.

    `recipe`: put what was merged into the metadata; `copy`: also the metadata of the sources; `extra`: more of them.
    """

    name: str = ""
    precision: Precision = "same"
    recipe: bool = True
    copy: bool = True
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MergeCheckpoints:
    """A: primary, B: secondary, C: tertiary, M: multiplier.

    "none" is A, "weighted_sum" A * (1 - M) + B * M, "add_difference" A + (B - C) * M. `networks` are added to that.
    `vae` takes the place of A's; tensors whose name `discard`, a regular expression, finds are left out.
    `config_from`: whose .yaml is copied beside the result; "any" is the first that there is.
    """

    kind: Literal["checkpoints"] = "checkpoints"
    primary: str = ""
    secondary: str = ""
    tertiary: str = ""
    method: Method = "weighted_sum"
    multiplier: float = 0.3
    networks: tuple[WeighedNetwork, ...] = ()
    vae: str = ""
    discard: str = ""
    config_from: Literal["any", "secondary", "tertiary", "none"] = "any"
    saving: Saving = field(default_factory=Saving)


@dataclass(frozen=True, kw_only=True)
class MergeNetworks:
    """One LoRA with the effect of several. `rank` 0: exact, as large as all of them together; else the nearest."""

    kind: Literal["networks"] = "networks"
    networks: tuple[WeighedNetwork, ...] = ()
    rank: int = 0
    conv_rank: int = 0
    saving: Saving = field(default_factory=Saving)


@dataclass(frozen=True, kw_only=True)
class ExtractNetwork:
    """The LoRA that comes nearest to the difference of two checkpoints. `conv_rank` 0 leaves 3x3 convolutions out."""

    kind: Literal["extract"] = "extract"
    tuned: str = ""
    base: str = ""
    rank: int = 32
    conv_rank: int = 0
    text_encoder: bool = True
    saving: Saving = field(default_factory=Saving)


MergeRequest = MergeCheckpoints | MergeNetworks | ExtractNetwork
KINDS: dict[str, type[MergeCheckpoints] | type[MergeNetworks] | type[ExtractNetwork]] = {
    "checkpoints": MergeCheckpoints,
    "networks": MergeNetworks,
    "extract": ExtractNetwork,
}


def to_json(request: MergeRequest) -> dict[str, Any]:
    """Plain JSON values; `merge_request` gives an equal request back."""
    return dataclasses.asdict(request)


def merge_request(value: Mapping[str, Any]) -> MergeRequest:
    """A request from JSON, its fields checked one by one; UserError names the field."""
    kind = KINDS.get(str(value.get("kind", "checkpoints")))
    if kind is None:
        raise UserError(f"kind is {str(value.get('kind'))[:80]!r}.", hint=f"One of: {', '.join(KINDS)}.", field="kind")
    request = read_dataclass(kind, value)
    _check_saving(request.saving)
    match request:
        case MergeCheckpoints():
            _check_checkpoints(request)
        case MergeNetworks():
            _check_networks(request)
        case ExtractNetwork():
            _check_extract(request)
    return request


def _check_saving(saving: Saving) -> None:
    if saving.name and safe_part(saving.name) != saving.name:
        raise UserError(
            f"saving.name is {saving.name[:100]!r}, which is no file name.",
            hint='Leave out / \\ : * ? " < > | and leading dots.',
            field="saving.name",
        )
    for key, value in saving.extra.items():
        if not isinstance(value, str):
            raise UserError(f"saving.extra.{key} is no text.", field="saving.extra")


def _check_checkpoints(request: MergeCheckpoints) -> None:
    needed = {"none": ("primary",), "weighted_sum": ("primary", "secondary")}
    for name in needed.get(request.method, ("primary", "secondary", "tertiary")):
        if not getattr(request, name):
            raise UserError(f"{name} names no checkpoint, which {request.method} needs.", field=name)
    _check_range("multiplier", request.multiplier, -1, 2)
    try:
        re.compile(request.discard)
    except re.error as error:
        raise UserError(f"discard is {request.discard!r}, no regular expression: {error}.", field="discard") from error
    idle = request.method == "none" and not (request.networks or request.vae or request.discard)
    if idle and request.saving.precision == "same":
        raise UserError(
            "The result would be the primary checkpoint.",
            hint="Choose a second one, a LoRA, a VAE or another precision.",
            field="method",
        )
    for index, one in enumerate(request.networks):
        _check_network(f"networks[{index}]", one)


def _check_networks(request: MergeNetworks) -> None:
    if not request.networks:
        raise UserError("networks is empty: name at least one.", field="networks")
    for index, one in enumerate(request.networks):
        _check_network(f"networks[{index}]", one)
    _check_range("rank", request.rank, 0, MOST_RANK)
    _check_range("conv_rank", request.conv_rank, 0, MOST_RANK)
    if request.conv_rank and not request.rank:
        raise UserError("conv_rank is set, but rank is 0, which keeps all of it.", field="conv_rank")


def _check_extract(request: ExtractNetwork) -> None:
    for name in ("tuned", "base"):
        if not getattr(request, name):
            raise UserError(f"{name} names no checkpoint.", field=name)
    _check_range("rank", request.rank, 1, MOST_RANK)
    _check_range("conv_rank", request.conv_rank, 0, MOST_RANK)


def _check_network(place: str, one: WeighedNetwork) -> None:
    if not one.name:
        raise UserError(f"{place}.name is empty.", field=f"{place}.name")
    _check_range(f"{place}.weight", one.weight, -10, 10)
    if one.text_weight is not None:
        _check_range(f"{place}.text_weight", one.text_weight, -10, 10)


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UserError(f"{name} is {value:g}, but {low:g} to {high:g} was expected.", field=name)
