from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from modules.core.errors import ModelError
from modules.processing.models.tensor_files import Spec, TensorFile, write_tensors

TENSORS = {
    "a": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "b": torch.tensor(1.5, dtype=torch.bfloat16),
    "c": torch.zeros(0, 4),
    "d": torch.tensor([1, 2], dtype=torch.int64),
    "e": torch.ones(3, dtype=torch.float16),
}


def test_what_is_written_is_what_the_formats_own_library_reads(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    specs = {name: Spec(one.dtype, tuple(one.shape)) for name, one in TENSORS.items()}
    write_tensors(path, specs, TENSORS.__getitem__, {"title": "ü"})
    found = load_file(path)
    assert found.keys() == TENSORS.keys()
    assert all(torch.equal(found[name], one) for name, one in TENSORS.items())
    assert TensorFile(path).metadata == {"title": "ü"}


def test_what_the_formats_own_library_writes_is_read(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "x.safetensors")
    file = TensorFile(tmp_path / "x.safetensors")
    assert {name: file.get(name).dtype for name in file.specs} == {name: one.dtype for name, one in TENSORS.items()}
    assert all(torch.equal(file.get(name), one) for name, one in TENSORS.items())


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    def fail(name: str) -> torch.Tensor:
        raise RuntimeError(name)

    with pytest.raises(RuntimeError):
        write_tensors(tmp_path / "x.safetensors", {"a": Spec(torch.float32, (2,))}, fail, {})
    assert list(tmp_path.iterdir()) == []


def test_a_file_cut_off_while_open_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(100)}, path)
    file = TensorFile(path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ModelError, match="shorter"):
        file.get("a")
