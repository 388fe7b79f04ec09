"""The original single-file layout of a model whose parts have diffusers' names: the way back of `convert`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modules.core.errors import UserError
from modules.processing.models.convert import NameMap, Op, clip_map, open_clip_map, unet_map, vae_map
from modules.processing.models.families import Family

if TYPE_CHECKING:
    from torch import Tensor

OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}  # diffusers before 0.15
THIRDS: tuple[Op, ...] = ("q", "k", "v")
FREE = {"sample_size", "in_channels", "upcast_attention", "force_upcast"}  # a file's reader knows or need not know


@dataclass(frozen=True)
class Piece:
    """A tensor of one part ("unet", "vae", "text_encoder", ...), and how the file stores it."""

    part: str
    name: str
    op: Op


def original_names(
    family: Family,
    names: Mapping[str, Iterable[str]],
    *,
    unet: Mapping[str, Any] | None = None,
    vae: Mapping[str, Any] | None = None,
) -> dict[str, tuple[Piece, ...]]:
    """What each tensor of the file is made of. names: the tensors of each part; unet, vae: configs, else the family's.

    UserError when a part has tensors that the layout has no place for.
    """
    maps: dict[str, NameMap] = {"unet": unet_map(unet or family.unet), "vae": vae_map(vae or family.vae)}
    for recipe in family.text.encoders:
        maps[recipe.subfolder] = (clip_map if recipe.kind == "clip" else open_clip_map)(recipe.prefix)
    found: dict[str, dict[Op, Piece]] = {}
    for part, name_of in maps.items():
        for name in names.get(part, ()):
            if name.endswith("position_ids"):
                continue
            try:
                source = name_of(_modern(name) if part == "vae" else name)
            except (KeyError, ValueError) as error:
                raise UserError(f"The single-file layout of {family.label} has no place for {part}/{name}.") from error
            found.setdefault(source.name, {})[source.op] = Piece(part, name, source.op)
    return {name: _ordered(pieces) for name, pieces in found.items()}


def joined(pieces: tuple[Piece, ...], values: Sequence[Tensor]) -> Tensor:
    """The file's tensor of those of its pieces."""
    import torch

    if len(pieces) == len(THIRDS):
        return torch.cat(list(values))
    (piece,), (value,) = pieces, values
    if piece.op == "squeeze" and value.ndim == 2:
        return value[:, :, None, None]
    return value.T.contiguous() if piece.op == "transpose" else value


def parted(pieces: tuple[Piece, ...], value: Tensor) -> list[Tensor]:
    """The way back of `joined`: what modules hold of a file's tensor."""
    if len(pieces) == len(THIRDS):
        return list(value.chunk(len(THIRDS)))
    if pieces[0].op == "squeeze" and value.ndim == 4:
        return [value[:, :, 0, 0]]
    return [value.T if pieces[0].op == "transpose" else value]


def obstacle(family: Family, configs: Mapping[str, Mapping[str, Any]]) -> str:
    """Why a single file cannot hold a model with these configs by part; "" when it can.

    Readers of a single file take the family's own architecture for granted.
    """
    wanted = {"unet": family.unet, "vae": family.vae} | {one.subfolder: one.config for one in family.text.encoders}
    for part, config in wanted.items():
        for key, value in config.items():
            told = configs[part].get(key, value)
            if key not in FREE and not key.endswith("_token_id") and told != value:
                return f"{part} has {key} {told}, where {family.label} has {value}"
    special = configs["unet"].get("addition_embed_type")
    if special != family.unet.get("addition_embed_type"):
        return f"unet has addition_embed_type {special}"
    return ""


def _ordered(pieces: Mapping[Op, Piece]) -> tuple[Piece, ...]:
    return tuple(pieces[op] for op in THIRDS) if "q" in pieces else tuple(pieces.values())


def _modern(name: str) -> str:
    return re.sub(
        r"(?<=\.attentions\.0\.)(query|key|value|proj_attn)(?=\.)", lambda found: OLD_ATTENTION[found[1]], name
    )
