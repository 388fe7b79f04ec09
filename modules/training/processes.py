"""The processes that share a run, on accelerate: device, precision, parts of the batch, means over all."""

from __future__ import annotations

import dataclasses

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor

from modules.core.errors import UserError
from modules.training.config import Config, Run

Place = tuple[int, ...]  # (step,) or (step, part): the first part of a step has the name of the step


def make_accelerator(run: Run) -> Accelerator:
    """For one process, or for each of those that `accelerate launch` started."""
    if run.device.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"run.device is {run.device}, but torch finds no CUDA device.", hint='Use "cpu".')
    # accelerate remembers the last run's device and precision for the whole process and refuses others
    AcceleratorState._reset_state(reset_partial_state=True)
    precision = "no" if run.precision == "fp32" else run.precision
    return Accelerator(cpu=run.device == "cpu", mixed_precision=precision)


def placed(config: Config, accelerator: Accelerator) -> Config:
    """The config with this process's own device, where several processes have a card each."""
    if accelerator.num_processes == 1 or config.run.device != "cuda":
        return config
    device = f"cuda:{accelerator.local_process_index}"
    return dataclasses.replace(config, run=dataclasses.replace(config.run, device=device))


def parts_of(step: int, run: Run, accelerator: Accelerator) -> list[Place]:
    """This process's parts of the step's batch. Together all processes have run.accumulate parts each."""
    every = range(run.accumulate * accelerator.num_processes)
    own = every[accelerator.process_index :: accelerator.num_processes]
    return [(step, part) if part else (step,) for part in own]


def average(accelerator: Accelerator, tensors: list[Tensor]) -> None:
    """Each tensor becomes its mean over all processes, in place and in one message."""
    if accelerator.num_processes == 1 or not tensors:
        return
    means = accelerator.reduce(torch.cat([one.flatten() for one in tensors]), "mean")
    assert isinstance(means, Tensor)
    for one, mean in zip(tensors, means.split([one.numel() for one in tensors])):
        one.copy_(mean.view(one.shape))


def agreed(accelerator: Accelerator, wish: bool) -> bool:
    """True in all processes when one of them wishes it."""
    if accelerator.num_processes == 1:
        return wish
    wishes = accelerator.reduce(torch.tensor(float(wish), device=accelerator.device), "sum")
    assert isinstance(wishes, Tensor)
    return bool(wishes > 0)
