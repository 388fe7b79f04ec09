"""What stands in an embedding's file: A1111's, kohya's, diffusers' and OneTrainer's forms, also hidden in pictures."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from modules.core.errors import ModelError
from modules.processing.models.catalog import PICTURES
from modules.processing.models.file_kinds import PICKLE, PICKLES
from modules.processing.models.safetensors_header import read_header

if TYPE_CHECKING:
    from torch import Tensor

PAIR = ("clip_l", "clip_g")  # SDXL's first and second text encoder
BUNDLE = "bundle_emb."  # before the names of embeddings that a LoRA file brings along
CHUNK = "sd-ti-embedding"  # of a PNG: JSON in base64
PIXEL_LIMIT = 64 * 1024 * 1024  # pixels of a picture that is searched for an embedding
DATA_LIMIT = 256 * 1024 * 1024  # bytes that a picture's data may unfold to
BAD_DATA = (OSError, ValueError, KeyError, TypeError, AttributeError)  # of JSON in an unexpected form
Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class EmbeddingData:
    """shapes: of the tensors, by name, and read(name) one of them. about: step, sd_checkpoint, ... as the file says."""

    shapes: Mapping[str, Shape]
    read: Callable[[str], Tensor]
    about: Mapping[str, Any] = field(default_factory=dict)


def open_data(path: Path, *, member: str = "", allow_pickle: bool = False) -> EmbeddingData:
    """Look into a file, or into one member of a LoRA file's bundle. ModelError names the file and what is wrong."""
    suffix = path.suffix.lower()
    if suffix in PICTURES:
        return _picture(path)
    if suffix in PICKLES:
        if not allow_pickle:
            raise ModelError(PICKLE)
        return _pickle(path)
    header, start = read_header(path), f"{BUNDLE}{member}." if member else ""
    shapes = {name[len(start) :]: one.shape for name, one in header.tensors.items() if name.startswith(start)}
    return EmbeddingData(shapes=shapes, read=lambda name: _tensor(path, start + name), about=header.metadata)


def bundled_names(path: Path) -> list[str]:
    """The embeddings that a LoRA file brings along."""
    if path.suffix.lower() != ".safetensors":
        return []
    names = [one.removeprefix(BUNDLE) for one in read_header(path).tensors if one.startswith(BUNDLE)]
    return list(dict.fromkeys(one.partition(".")[0] for one in names))


def vector_parts(shapes: Mapping[str, Shape]) -> dict[str, str]:
    """Which tensor holds the vectors: {"": name} for one text encoder, or one name for each of PAIR."""
    if set(PAIR) <= shapes.keys():
        parts = {one: one for one in PAIR}
    else:
        kohya = [one for one in shapes if one == "emb_params" or one.startswith("string_to_param")]
        others = [one for one in shapes if not one.endswith("_out")]  # OneTrainer's, added behind the encoder
        found = kohya or others
        if len(found) != 1:
            raise ModelError(f"{len(found)} tensors were found where one was expected: it is no embedding.")
        parts = {"": found[0]}
    if any(len(shapes[one]) not in (1, 2) or 0 in shapes[one] for one in parts.values()):
        raise ModelError("Its tensors are no vectors: it is no embedding.")
    if len({vector_count(shapes[one]) for one in parts.values()}) > 1:
        raise ModelError("Its two parts have different numbers of vectors.")
    return parts


def vector_count(shape: Shape) -> int:
    return 1 if len(shape) == 1 else shape[0]


def _tensor(path: Path, name: str) -> Tensor:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return file.get_tensor(name)


def _pickle(path: Path) -> EmbeddingData:
    import torch

    try:
        with torch.serialization.safe_globals([torch.nn.ParameterDict]):
            found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises four unrelated families for damaged files
        raise ModelError(f"{path.name} cannot be read as vectors alone: {type(error).__name__}.") from error
    found = found if isinstance(found, dict) else {}
    params = found.get("string_to_param")
    tensors = dict(params.items()) if params is not None else found
    tensors = {str(name): one.detach() for name, one in tensors.items() if isinstance(one, torch.Tensor)}
    about = {name: one for name, one in found.items() if isinstance(one, (str, int, float))}
    return EmbeddingData(
        shapes={name: tuple(one.shape) for name, one in tensors.items()}, read=tensors.__getitem__, about=about
    )


def _picture(path: Path) -> EmbeddingData:
    """The data that a picture carries as text or in its pixels; ModelError when it is just a picture."""
    try:
        with Image.open(path) as image:
            text = getattr(image, "text", {}).get(CHUNK)
            raw = base64.b64decode(text) if text else _pixel_data(image)
        told = json.loads(raw)
        params = {
            name: np.asarray(one["TORCHTENSOR"], dtype=np.float32) for name, one in told["string_to_param"].items()
        }
    except (*BAD_DATA, zlib.error, Image.DecompressionBombError) as error:
        raise ModelError(f"{path.name} is a picture without an embedding in it.") from error

    def read(name: str) -> Tensor:
        import torch

        return torch.from_numpy(params[name])

    return EmbeddingData(shapes={name: one.shape for name, one in params.items()}, read=read, about=told)


def _pixel_data(image: Image.Image) -> bytes:
    """A1111's image embeddings: columns of data at the left and right of the picture, parted from it by black ones.

    Each channel's low four bits hold half a byte, the left block the low halves; they are masked with a fixed series.
    """
    if image.width * image.height > PIXEL_LIMIT:
        raise ValueError("too large")
    pixels = np.asarray(image.convert("RGB"))
    rows, columns = np.nonzero(pixels.min(axis=2))
    if not len(rows):
        raise ValueError("black")
    low = pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] & 0x0F
    black = np.flatnonzero(low.sum(axis=(0, 2)) == 0)
    if len(black) < 2:
        raise ValueError("no block")
    left, right = low[:, : black[0]], low[:, black[-1] + 1 :]
    if left.shape != right.shape or not left.size:
        raise ValueError("no block")
    mask = _series(left.size).reshape(left.shape) & 0x0F
    return zlib.decompressobj().decompress((((right ^ mask) << 4) | (left ^ mask)).tobytes(), DATA_LIMIT)


def _series(length: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The linear congruential series of Numerical Recipes from 0 on, modulo 255."""
    found, value = np.empty(length, np.uint8), 0
    for at in range(length):
        value = (1664525 * value + 1013904223) % 2**32
        found[at] = value % 255
    return found
