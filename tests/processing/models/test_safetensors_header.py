from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from modules.core.errors import ModelError
from modules.processing.models.safetensors_header import read_header


def test_names_shapes_types_and_metadata(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.zeros(2, 3, dtype=torch.float16), "y": torch.zeros(4)}, path, metadata={"k": "v"})
    header = read_header(path)
    assert (header.tensors["x"].shape, header.tensors["x"].dtype) == ((2, 3), "F16")
    assert header.metadata == {"k": "v"}
    assert header.data_start == path.stat().st_size - 2 * 3 * 2 - 4 * 4


def test_every_truncation_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.zeros(5), "y": torch.zeros(3, dtype=torch.int8)}, path)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelError, match=r"a\.safetensors"):
            read_header(path)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"<!DOCTYPE html><html><body>Log in</body></html>", "web page"),
        (b"PK\x03\x04" + bytes(100), "pickle"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "LFS pointer"),
        ((2**40).to_bytes(8, "little") + b"{" + bytes(50), "header of"),
        (bytes(200), "not a safetensors file"),
        ((50_000).to_bytes(8, "little") + b"{}", "cut off"),
        ((6).to_bytes(8, "little") + b'{"a":1', "damaged"),
        (b"", "cut off"),
    ],
)
def test_the_cause_is_named(tmp_path: Path, content: bytes, cause: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=cause):
        read_header(path)


def test_a_header_nested_without_end_is_damaged(tmp_path: Path) -> None:
    raw = b'{"a":' + b"[" * 200_000
    path = tmp_path / "deep.safetensors"
    path.write_bytes(len(raw).to_bytes(8, "little") + raw)
    with pytest.raises(ModelError, match="damaged"):
        read_header(path)
