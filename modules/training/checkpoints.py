"""States of a run: safetensors and JSON in one folder per state, whole or not there."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from modules.core.files import sync_folder


@dataclass
class State:
    """Everything that the next step depends on; random numbers depend on the step only and need no state."""

    step: int
    parameters: dict[str, Tensor]
    ema: dict[str, Tensor]
    ema_updates: int
    optimizer: dict[str, Tensor]  # "name/exp_avg", ...


def save(folder: Path, state: State, *, keep: int) -> Path:
    """Write states/step-N beside the others and drop all but the newest `keep`."""
    states = folder / "states"
    target, beside = states / f"step-{state.step:07d}", states / f"step-{state.step:07d}.tmp"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    parts = {"parameters": state.parameters, "ema": state.ema, "optimizer": state.optimizer}
    tensors = {
        f"{part}/{name}": one.detach().contiguous() for part, some in parts.items() for name, one in some.items()
    }
    save_file(tensors, beside / "state.safetensors")
    about: dict[str, Any] = {"step": state.step, "ema_updates": state.ema_updates}
    (beside / "state.json").write_text(json.dumps(about), encoding="utf-8")
    for file in beside.iterdir():
        with open(file, "rb+") as handle:
            os.fsync(handle.fileno())
    shutil.rmtree(target, ignore_errors=True)
    os.replace(beside, target)
    sync_folder(states)
    for old in found(folder)[:-keep]:
        shutil.rmtree(old)
    return target


def found(folder: Path) -> list[Path]:
    """The whole states of a run, oldest first."""
    return sorted(one for one in (folder / "states").glob("step-*") if one.is_dir() and one.suffix != ".tmp")


def load_latest(folder: Path) -> State | None:
    states = found(folder)
    if not states:
        return None
    about = json.loads((states[-1] / "state.json").read_text(encoding="utf-8"))
    parts: dict[str, dict[str, Tensor]] = {"parameters": {}, "ema": {}, "optimizer": {}}
    for key, tensor in load_file(states[-1] / "state.safetensors").items():
        part, _, name = key.partition("/")
        parts[part][name] = tensor
    return State(about["step"], parts["parameters"], parts["ema"], about["ema_updates"], parts["optimizer"])


def optimizer_tensors(optimizer: torch.optim.Optimizer, parameters: dict[str, torch.nn.Parameter]) -> dict[str, Tensor]:
    return {
        f"{name}/{key}": value
        for name, parameter in parameters.items()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, parameters: dict[str, torch.nn.Parameter], tensors: dict[str, Tensor]
) -> None:
    for key, value in tensors.items():
        name, _, part = key.rpartition("/")
        if part != "step":  # the fused step reads memory in order, so the strides must be the parameter's
            value = torch.empty_like(parameters[name], requires_grad=False).copy_(value)
        optimizer.state[parameters[name]][part] = value
