"""The layers that a checkpoint has, with the sizes of their weights, from the headers of its files. Needs no torch."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from modules.core.errors import EaselError
from modules.processing.models.catalog import ModelFile
from modules.processing.models.convert import OPEN_CLIP_LAYER, RESNET, unet_table
from modules.processing.models.families import Family, families
from modules.processing.models.safetensors_header import read_header
from modules.processing.networks.kinds import Size
from modules.processing.networks.names import INNER, LayerNames, Part

UNET = "model.diffusion_model."
Sizes = dict[tuple[Part, str], Size]


class Layers:
    """sizes: (part, path) -> size of the weight. `find` knows the layers by all their names in network files."""

    def __init__(self, sizes: Sizes, unet: Mapping[str, object]) -> None:
        self.sizes = sizes
        self.unet = unet
        parts: dict[Part, list[str]] = {}
        for part, path in sizes:
            parts.setdefault(part, []).append(path)
        self.find = LayerNames(parts, unet).find


def checkpoint_layers(file: ModelFile) -> Layers | None:
    """None where headers cannot tell: of pickles, and of files that are broken."""
    return _read(file.path, file.mtime, file.size, file.family) if file.family in families else None


@functools.lru_cache(maxsize=8)
def _read(path: Path, mtime: int, size: int, name: str) -> Layers | None:
    family = families.get(name)
    try:
        if path.is_dir():
            return Layers(
                dict(_of_folder(path, family)), json.loads((path / "unet" / "config.json").read_text("utf-8"))
            )
        if path.suffix.lower() == ".safetensors":
            return Layers(dict(_of_single(path, family)), family.unet)
    except (EaselError, OSError, LookupError, TypeError, ValueError):  # told when the model is loaded
        pass
    return None


def _of_folder(folder: Path, family: Family) -> Iterator[tuple[tuple[Part, str], Size]]:
    parts: list[Part] = ["unet", *(part_of(one.subfolder) for one in family.text.encoders)]
    for part in parts:
        for file in sorted((folder / part).glob("*.safetensors")):
            for name, info in read_header(file).tensors.items():
                if name.endswith(".weight"):
                    path = name.removesuffix(".weight")
                    yield (part, path if part == "unet" else path.removeprefix(INNER)), info.shape


def part_of(subfolder: str) -> Part:
    """A text encoder's part by its folder."""
    return "text_encoder_2" if subfolder == "text_encoder_2" else "text_encoder"


def _of_single(path: Path, family: Family) -> Iterator[tuple[tuple[Part, str], Size]]:
    blocks = {theirs: ours for ours, theirs in unet_table(family.unet).items()}
    for name, info in read_header(path).tensors.items():
        if name.startswith(UNET) and name.endswith(".weight"):
            if ours := _of_unet(name.removeprefix(UNET).removesuffix(".weight"), blocks):
                yield ("unet", ours), info.shape
            continue
        for recipe in family.text.encoders:
            if name.startswith(recipe.prefix):
                find = _of_clip if recipe.kind == "clip" else _of_open_clip
                for ours, size in find(name.removeprefix(recipe.prefix), info.shape):
                    yield (part_of(recipe.subfolder), ours), size


def _of_unet(name: str, blocks: Mapping[str, str]) -> str | None:
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        head = blocks.get(".".join(parts[:end]))
        if head is not None:
            rest = ".".join(parts[end:])
            if ".resnets." in head:
                rest = next((ours for ours, theirs in RESNET.items() if theirs == rest), rest)
            return f"{head}.{rest}" if rest else head
    return None


def _of_clip(name: str, size: Size) -> Iterator[tuple[str, Size]]:
    if name.endswith(".weight"):
        yield name.removesuffix(".weight").removeprefix(INNER), size


def _of_open_clip(name: str, size: Size) -> Iterator[tuple[str, Size]]:
    found = re.fullmatch(r"transformer\.resblocks\.(\d+)\.(.+?)(?:\.weight|_weight)", name)
    if found is None:
        return
    layer = f"encoder.layers.{found[1]}"
    if found[2] == "attn.in_proj":
        for which in "qkv":
            yield f"{layer}.self_attn.{which}_proj", (size[0] // 3, *size[1:])
    for ours, theirs in OPEN_CLIP_LAYER.items():
        if theirs == found[2]:
            yield f"{layer}.{ours}", size
