"""States of a run: safetensors and JSON in one folder per state, whole or not there."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from modules.core.files import sync_folder

log = logging.getLogger(__name__)

TENSORS, ABOUT = "state.safetensors", "state.json"
PARTS = ("parameters", "buffers", "ema", "optimizer", "opponent")


@dataclass
class State:
    """Everything that the next step depends on.

    The sampler's position and every random number are functions of the step and of the config's seed.
    """

    step: int
    parameters: dict[str, Tensor]
    ema: dict[str, Tensor]
    ema_updates: int
    optimizer: dict[str, Tensor]  # "name/exp_avg", ...
    buffers: dict[str, Tensor] = field(default_factory=dict)
    opponent: dict[str, Tensor] = field(default_factory=dict)  # "parameters/...", "buffers/...", "optimizer/..."
    memory: dict[str, Any] = field(default_factory=dict)  # of the schedule, the scaler and the watch
    config: dict[str, Any] = field(default_factory=dict)


class Damaged(Exception):
    """A state whose files are not those that were saved."""


def save(folder: Path, state: State, *, keep: int) -> Path:
    """Write states/step-N beside the others and drop all but the newest `keep`. OSError leaves the others whole."""
    states = folder / "states"
    target, beside = states / f"step-{state.step:07d}", states / f"step-{state.step:07d}.tmp"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        tensors = {
            f"{part}/{name}": one.detach().contiguous() for part in PARTS for name, one in getattr(state, part).items()
        }
        save_file(tensors, beside / TENSORS)
        about = {"step": state.step, "ema_updates": state.ema_updates, "memory": state.memory, "config": state.config}
        about["sha256"] = _digest(beside / TENSORS, about)
        (beside / ABOUT).write_text(json.dumps(about), encoding="utf-8")
        for file in beside.iterdir():
            with open(file, "rb+") as handle:
                os.fsync(handle.fileno())
        sync_folder(beside)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(beside, target)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)  # half a state must not fill the disk
        raise
    sync_folder(states)
    for old in found(folder)[:-keep]:
        shutil.rmtree(old)
    return target


def found(folder: Path) -> list[Path]:
    """The whole states of a run, oldest first."""
    return sorted(one for one in (folder / "states").glob("step-*") if one.is_dir() and not one.suffix)


def step_of(state: Path) -> int:
    return int(state.name.removeprefix("step-"))


def load_latest(folder: Path) -> State | None:
    """The newest state that is as it was saved; damaged ones are set aside as step-N.damaged, with a warning."""
    for path in reversed(found(folder)):
        try:
            return load(path)
        except Damaged as error:
            aside = path.with_suffix(".damaged")
            shutil.rmtree(aside, ignore_errors=True)
            os.replace(path, aside)
            log.warning("The state %s is damaged (%s) and set aside; the one before it is used.", path.name, error)
    return None


def load(path: Path) -> State:
    try:
        about = json.loads((path / ABOUT).read_text(encoding="utf-8"))
        given = about.pop("sha256", None)  # older states have none
        if given is not None and given != _digest(path / TENSORS, about):
            raise Damaged("its checksum differs")
        parts: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
        for key, tensor in load_file(path / TENSORS).items():
            part, _, name = key.partition("/")
            parts[part][name] = tensor
        notes = {"memory": about.get("memory", {}), "config": about.get("config", {})}
        return State(step=about["step"], ema_updates=about["ema_updates"], **parts, **notes)
    except (FileNotFoundError, SafetensorError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise Damaged(str(error)) from error


def _digest(tensors: Path, about: Mapping[str, Any]) -> str:
    """SHA-256 of both files' contents."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    with open(tensors, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
