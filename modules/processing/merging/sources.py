"""Checkpoints as tensors by name: single files, diffusers folders, and folders seen as single files. Needs torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modules.core.errors import ModelError, UserError
from modules.processing.models.catalog import ModelFile
from modules.processing.models.families import Family, families
from modules.processing.models.original import Piece, joined, obstacle, original_names
from modules.processing.models.tensor_files import Spec, TensorFile, Tensors
from modules.processing.models.weights import read_config, weight_files

VAE_PREFIX = "first_stage_model."
PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")


class FolderTensors:
    """A diffusers folder; its tensors are called "unet/conv_in.weight" and so on."""

    def __init__(self, folder: Path) -> None:
        parts = {f"{part}/": folder / part for part in PARTS if (folder / part / "config.json").is_file()}
        self.label = folder.name
        self._where = _found_in(parts or {"": folder})  # a folder of one part: a VAE
        self.specs = {name: file.specs[inner] for name, (file, inner) in self._where.items()}

    def get(self, name: str) -> Tensor:
        file, inner = self._where[name]
        return file.get(inner)


def _found_in(folders: Mapping[str, Path]) -> dict[str, tuple[TensorFile, str]]:
    files = [(prefix, TensorFile(path)) for prefix, folder in folders.items() for path in weight_files(folder)]
    return {prefix + name: (file, name) for prefix, file in files for name in file.specs}


class Composed:
    """Tensors under other names, each made of some of another source: `made_of` tells how."""

    def __init__(self, source: Tensors, made_of: Mapping[str, tuple[Piece, ...]]) -> None:
        self.label, self.made_of, self._source = source.label, made_of, source
        self.specs = {name: self._spec(pieces) for name, pieces in made_of.items()}

    def get(self, name: str) -> Tensor:
        pieces = self.made_of[name]
        return joined(pieces, [self._source.get(_full(one)) for one in pieces])

    def _spec(self, pieces: tuple[Piece, ...]) -> Spec:
        specs = [self._source.specs[_full(one)] for one in pieces]
        like = joined(pieces, [torch.empty(one.shape, device="meta") for one in specs])
        return Spec(specs[0].dtype, tuple(like.shape))


def _full(piece: Piece) -> str:
    return f"{piece.part}/{piece.name}" if piece.part else piece.name


def needs_folder(file: ModelFile) -> str:
    """Why this checkpoint cannot become a single file; "" when it is one or can."""
    if not file.path.is_dir():
        return ""
    return obstacle(families.get(file.family), configs_of(file.path, families.get(file.family)))


def configs_of(folder: Path, family: Family) -> Mapping[str, Mapping[str, Any]]:
    """config.json of each part that the family has."""
    return {
        part: read_config(folder / part) for part in ("unet", "vae", *(one.subfolder for one in family.text.encoders))
    }


def open_model(file: ModelFile, *, as_folder: bool) -> Tensors:
    """UserError when a single file is asked to be a folder; ModelError when it cannot be read."""
    if file.broken:
        raise ModelError(file.broken if file.path.name in file.broken else f"{file.name}: {file.broken}")
    if not file.path.is_dir():
        if as_folder:
            raise UserError(
                f"{file.name} is a single file, and cannot be merged with a folder of another architecture."
            )
        return TensorFile(file.path)
    folder = FolderTensors(file.path)
    return folder if as_folder else Composed(folder, original_names(families.get(file.family), _names_by_part(folder)))


def open_vae(file: ModelFile, family: Family, *, as_folder: bool) -> Tensors:
    """A separate VAE, its tensors named as those of a checkpoint of that layout."""
    found = FolderTensors(file.path) if file.path.is_dir() else TensorFile(file.path)
    names = list(found.specs)
    if any(name.startswith("encoder.down_blocks.") for name in names):
        if as_folder:
            return Composed(found, {f"vae/{name}": (Piece("", name, "same"),) for name in names})
        made_of = original_names(family, {"vae": names})
        return Composed(found, {name: tuple(Piece("", one.name, one.op) for one in made_of[name]) for name in made_of})
    prefix = next((one for one in ("", VAE_PREFIX, "vae.") if f"{one}decoder.conv_in.weight" in found.specs), None)
    if prefix is None or as_folder:
        what = "has not the names of a diffusers folder" if as_folder else "is not a VAE: it has no decoder.conv_in"
        raise UserError(f"{file.name} {what}.", field="vae")
    inner = [name for name in names if name.startswith(prefix)]
    return Composed(found, {VAE_PREFIX + name.removeprefix(prefix): (Piece("", name, "same"),) for name in inner})


def _names_by_part(folder: FolderTensors) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {part: [] for part in PARTS}
    for name in folder.specs:
        part, _, inner = name.partition("/")
        names[part].append(inner)
    return names
