"""The header of a .safetensors file, checked, without reading a weight."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modules.core.errors import ModelError

HEADER_LIMIT = 100_000_000  # bytes, as in the format's own library
BITS = {"F64": 64, "I64": 64, "U64": 64, "C64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16}
BITS |= {"U16": 16, "I8": 8, "U8": 8, "BOOL": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F4": 4}


@dataclass(frozen=True)
class TensorInfo:
    """`start` and `stop` are offsets in bytes from the file's first weight."""

    dtype: str
    shape: tuple[int, ...]
    start: int = 0
    stop: int = 0


@dataclass(frozen=True)
class Header:
    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]
    data_start: int  # offset of the first weight: 8 + length of the JSON


def read_header(path: Path) -> Header:
    """Names, shapes, types and metadata. ModelError names the file and what is wrong with it."""
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            if len(start) < 8:
                raise _error(path, f"is cut off: {size} bytes, not even a header")
            if length > HEADER_LIMIT or length < 2:
                raise _error(path, _what(start + file.read(512), length))
            raw = file.read(length)
    except OSError as error:
        raise _error(path, f"cannot be read ({error.strerror or error})") from error
    if len(raw) < length:
        if not raw.startswith(b"{"):
            raise _error(path, _what(start + raw[:512], length))
        raise _error(path, f"is cut off: its header needs {length + 8} bytes, the file has {size}")
    return _parse(path, raw, size)


def _parse(path: Path, raw: bytes, size: int) -> Header:
    try:
        found = json.loads(raw)
        metadata = found.pop("__metadata__", None) or {}
        tensors = {str(name): _tensor(value) for name, value in found.items()}
        metadata = {str(key): str(value) for key, value in metadata.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _error(path, "is not a safetensors file: its header is damaged") from error
    expected = len(raw) + 8
    end = 0
    for name, info in sorted(tensors.items(), key=lambda one: (one[1].start, one[1].stop)):
        if info.start != end or info.stop - info.start != (math.prod(info.shape) * BITS.get(info.dtype, 0) + 7) // 8:
            raise _error(path, f"is damaged: the header's entry of {name} does not fit its place")
        end = info.stop
    expected += end
    if size != expected:
        state = "is cut off" if size < expected else "is damaged"
        raise _error(path, f"{state}: {size} bytes of {expected} expected")
    return Header(tensors, metadata, len(raw) + 8)


def _tensor(value: dict[str, object]) -> TensorInfo:
    shape, offsets = value["shape"], value["data_offsets"]
    if not isinstance(shape, list) or not isinstance(offsets, list):
        raise ValueError("not a tensor")
    begin, stop = offsets
    if not all(isinstance(one, int) and one >= 0 for one in (*shape, begin, stop)) or value["dtype"] not in BITS:
        raise ValueError("not a tensor")
    return TensorInfo(str(value["dtype"]), tuple(shape), begin, stop)


def _what(start: bytes, length: int) -> str:
    head = start.lstrip().lower()
    if head.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "is a web page saved under a model's name; download the file itself"
    if start.startswith((b"PK\x03\x04", b"\x80")):
        return "is a pickle file under a .safetensors name; convert it first"
    if head.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the model; run git lfs pull"
    if length > HEADER_LIMIT and start[8:9] == b"{":
        return f"claims a header of {length} bytes, more than {HEADER_LIMIT}"
    return "is not a safetensors file"


def _error(path: Path, cause: str) -> ModelError:
    return ModelError(f"{path.name} {cause}.")
