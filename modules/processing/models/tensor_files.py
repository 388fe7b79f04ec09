"""Safetensors read and written one tensor at a time, so that memory holds one of them and not the file.

Read by plain reads: a mapped file would count as this program's memory, page by page. Needs torch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from modules.core.errors import ModelError
from modules.core.files import whole_file
from modules.processing.models.safetensors_header import read_header

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
CODES = {dtype: code for code, dtype in DTYPES.items()}
ALIGNMENT = 8  # bytes that the header is padded to, as by the format's own library


@dataclass(frozen=True)
class Spec:
    """What a tensor is like before it is read."""

    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


class Tensors(Protocol):
    """Tensors by name that are read when they are asked for; `label` names them in errors."""

    @property
    def label(self) -> str: ...

    @property
    def specs(self) -> Mapping[str, Spec]: ...

    def get(self, name: str) -> Tensor: ...


class TensorFile:
    """The tensors of one .safetensors file."""

    def __init__(self, path: Path) -> None:
        """ModelError when it is no such file, or one with types that torch does not have."""
        header = read_header(path)
        unknown = [f"{name} ({one.dtype})" for name, one in header.tensors.items() if one.dtype not in DTYPES]
        if unknown:
            raise ModelError(f"{path.name} has tensors of unknown types, such as {unknown[0]}.")
        self.path, self.label, self.metadata = path, path.name, header.metadata
        self.specs = {name: Spec(DTYPES[one.dtype], one.shape) for name, one in header.tensors.items()}
        self._starts = {name: header.data_start + one.start for name, one in header.tensors.items()}

    def get(self, name: str) -> Tensor:
        spec = self.specs[name]
        if not spec.bytes:
            return torch.empty(spec.shape, dtype=spec.dtype)
        try:
            with open(self.path, "rb") as file:
                file.seek(self._starts[name])
                raw = bytearray(file.read(spec.bytes))
        except OSError as error:
            raise ModelError(f"{self.label} cannot be read: {error.strerror}.") from error
        if len(raw) < spec.bytes:
            raise ModelError(f"{self.label} has become shorter while it was read.")
        return torch.frombuffer(raw, dtype=spec.dtype).reshape(spec.shape)


def write_tensors(
    path: Path, specs: Mapping[str, Spec], tensor_of: Callable[[str], Tensor], metadata: Mapping[str, str]
) -> None:
    """Write a .safetensors file that is whole or not there; `tensor_of` is asked once for each name, in order."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, spec in specs.items():
        header[name] = {
            "dtype": CODES[spec.dtype],
            "shape": list(spec.shape),
            "data_offsets": [end, end + spec.bytes],
        }
        end += spec.bytes
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with whole_file(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, spec in specs.items():
            value = tensor_of(name)
            if value.dtype != spec.dtype or tuple(value.shape) != spec.shape:
                raise AssertionError(f"{name} is {value.dtype} {tuple(value.shape)}, announced as {spec}")
            flat = value.detach().cpu().contiguous().reshape(-1)
            file.write(flat.view(torch.uint8).numpy().tobytes())
