"""A checkpoint as its modules hold it: tensors by part and by diffusers' and transformers' names. Needs torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from modules.processing.merging.sources import Composed, FolderTensors
from modules.processing.models.catalog import ModelFile
from modules.processing.models.families import families
from modules.processing.models.original import Piece, original_names, parted
from modules.processing.models.standard import standard_names
from modules.processing.models.tensor_files import Spec, TensorFile, Tensors
from modules.processing.models.weights import read_config
from modules.processing.networks.names import LayerNames


class Parts:
    """`names` are "unet/conv_in.weight" and so on, whatever the checkpoint's layout."""

    def __init__(self, file: ModelFile) -> None:
        self.family = families.get(file.family)
        self.label = file.name
        if file.path.is_dir():
            self._folder = FolderTensors(file.path)
            self.unet: Mapping[str, Any] = read_config(file.path / "unet")
            self.specs = dict(self._folder.specs)
            return
        self._folder = None
        self.unet = self.family.unet
        self._file = TensorFile(file.path)
        pieces = original_names(self.family, standard_names(self.family, file.variant))
        self._pieces = {name: one for name, one in pieces.items() if name in self._file.specs}
        self._where = {
            f"{one.part}/{one.name}": (name, at) for name, two in self._pieces.items() for at, one in enumerate(two)
        }
        self.specs = {name: self._spec(*where) for name, where in self._where.items()}

    def get(self, name: str) -> Tensor:
        """In the type that the file has."""
        if self._folder is not None:
            return self._folder.get(name)
        stored, at = self._where[name]
        return parted(self._pieces[stored], self._file.get(stored))[at]

    def pieces_of(self, merged: Tensors) -> dict[str, tuple[Piece, ...]]:
        """What the tensors of a merge of this checkpoint are made of; `merged` has its own names or a file's."""
        if self._folder is None:
            return self._pieces
        if isinstance(merged, Composed):
            return dict(merged.made_of)
        parts = {name: name.partition("/") for name in self.specs}
        return {name: (Piece(part, inner, "same"),) for name, (part, _, inner) in parts.items()}

    def _spec(self, stored: str, at: int) -> Spec:
        spec = self._file.specs[stored]
        like = parted(self._pieces[stored], torch.empty(spec.shape, device="meta"))[at]
        return Spec(spec.dtype, tuple(like.shape))


def layer_names(names: Iterable[str], unet: Mapping[str, Any]) -> LayerNames:
    """Finds layers among tensors called "unet/conv_in.weight" and so on, by what network files call them."""
    layers: dict[Any, list[str]] = {"unet": [], "text_encoder": [], "text_encoder_2": []}
    for name in names:
        part, _, inner = name.partition("/")
        if part in layers and inner.endswith(".weight"):
            layers[part].append(inner.removesuffix(".weight"))
    return LayerNames(layers, unet)
