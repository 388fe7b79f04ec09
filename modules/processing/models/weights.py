"""Tensors by name out of files, and modules filled with them. Reads one tensor at a time; needs torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from modules.core.errors import ModelError
from modules.processing.models.convert import NameMap, Source
from modules.processing.models.safetensors_header import read_header

CONVERT = "Convert it to .safetensors, or start with --allow-pickle if you trust where it is from."
SHOWN = 3  # missing names told in an error
WRAPPERS = ("state_dict", "params_ema", "params")  # what training programs put around the tensors; the best first


class Weights:
    """The tensors of one or several files. `used` collects the names that were asked for."""

    def __init__(self, label: str, readers: Mapping[str, Callable[[], torch.Tensor]]) -> None:
        self.label = label
        self.used: set[str] = set()
        self._readers = readers

    @classmethod
    def open(cls, path: Path, *, allow_pickle: bool = False) -> Weights:
        """One file; ModelError names it and the cause."""
        if path.suffix.lower() != ".safetensors":
            return cls._pickle(path, allow_pickle)
        read_header(path)
        return cls(path.name, _readers(path))

    @classmethod
    def open_part(cls, folder: Path) -> Weights:
        """All .safetensors files of one part of a diffusers folder; the full precision where both are there."""
        readers: dict[str, Callable[[], torch.Tensor]] = {}
        for path in weight_files(folder):
            read_header(path)
            readers |= _readers(path)
        label = f"{folder.parent.name}/{folder.name}"
        if not readers:
            raise ModelError(f"{label} has no .safetensors weights.", hint=CONVERT)
        return cls(label, readers)

    @classmethod
    def _pickle(cls, path: Path, allowed: bool) -> Weights:
        if not allowed:
            raise ModelError(f"{path.name} is a pickle file, which can run code when it is opened.", hint=CONVERT)
        try:
            found: Any = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises four unrelated families for damaged files
            raise ModelError(f"{path.name} cannot be read as weights alone: {type(error).__name__}.") from error
        found = found if isinstance(found, dict) else {}
        found = next((found[key] for key in WRAPPERS if isinstance(found.get(key), dict)), found)
        tensors = {str(name): one for name, one in found.items() if isinstance(one, torch.Tensor)}
        return cls(path.name, {name: lambda one=one: one for name, one in tensors.items()})

    @property
    def names(self) -> list[str]:
        return list(self._readers)

    def __contains__(self, name: str) -> bool:
        return name in self._readers

    def get(self, source: Source) -> torch.Tensor:
        """The tensor as the module wants it."""
        self.used.add(source.name)
        value = self._readers[source.name]()
        if source.op == "squeeze":
            return value[:, :, 0, 0] if value.ndim == 4 else value
        if source.op == "transpose":
            return value.T
        if source.op == "same":
            return value
        return value.chunk(3)["qkv".index(source.op)]

    def left_over(self) -> list[str]:
        return [name for name in self._readers if name not in self.used]


def fill(module: torch.nn.Module, weights: Weights, name_of: NameMap, dtype: torch.dtype, device: torch.device) -> None:
    """Give a module made on the meta device its weights. ModelError for missing names or other shapes."""
    wanted = {name: (name_of(name), one.shape) for name, one in module.state_dict().items()}
    missing = [source.name for source, _ in wanted.values() if source.name not in weights]
    if missing:
        first = ", ".join(missing[:SHOWN])
        raise ModelError(
            f"{weights.label} lacks {len(missing)} of {len(wanted)} tensors of {type(module).__name__}: {first}"
            f"{', ...' if len(missing) > SHOWN else ''}."
        )
    state: dict[str, torch.Tensor] = {}
    for name, (source, shape) in wanted.items():
        try:
            value = weights.get(source)
        except SafetensorError as error:
            raise ModelError(f"{weights.label}: {source.name} cannot be read ({error}).") from error
        if value.shape != shape:
            raise ModelError(
                f"{weights.label}: {source.name} is {tuple(value.shape)}, but {tuple(shape)} was expected.",
                hint="It belongs to another model family.",
            )
        # Always a copy: the mapped file is let go, and may be replaced on the disk.
        state[name] = torch.empty(shape, dtype=dtype, device=device).copy_(value)
    module.load_state_dict(state, assign=True)
    for name, buffer in list(module.named_buffers()):
        if buffer.is_meta:
            _fill_positions(module, name, buffer, device)
    module.requires_grad_(False)
    module.eval()


def _fill_positions(module: torch.nn.Module, name: str, buffer: torch.Tensor, device: torch.device) -> None:
    """CLIP's position_ids, the only buffer that no file stores."""
    owner, _, last = name.rpartition(".")
    if last != "position_ids":
        raise ModelError(f"{type(module).__name__} has a buffer {name} that no file holds.")
    ids = torch.arange(buffer.shape[-1], device=device).expand(buffer.shape)
    module.get_submodule(owner).register_buffer(last, ids, persistent=False)


def weight_files(folder: Path) -> list[Path]:
    """The .safetensors files of one part of a diffusers folder; those of full precision where both are there."""
    files = sorted(folder.glob("*.safetensors"))
    return [one for one in files if ".fp16." not in one.name and "non_ema" not in one.name] or files


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a part, without what could name code or other files."""
    try:
        found = json.loads((folder / "config.json").read_text("utf-8"))
        return {key: one for key, one in found.items() if not key.startswith("_") and key != "auto_map"}
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"{folder.parent.name}/{folder.name}/config.json is missing or damaged.") from error


def _readers(path: Path) -> dict[str, Callable[[], torch.Tensor]]:
    try:
        file = safe_open(path, framework="pt", device="cpu")
        return {name: lambda name=name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path.name} cannot be read: {error}.") from error
