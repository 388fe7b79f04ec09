"""How long and how a run learns, whatever the method."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Literal

from modules.core.errors import UserError

Precision = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True)
class Run:
    """`folder` holds the states, metrics.jsonl, samples and the result. Steps are optimizer steps.

    One step learns from batch_size * accumulate samples in each process that takes part.
    """

    folder: str
    seed: int = 1
    steps: int = 1000
    batch_size: int = 16
    accumulate: int = 1  # batches whose mean gradient makes one step: large batches in little memory
    threads: int = 2
    precision: Precision = "fp32"  # of the forward pass; weights and optimizer stay fp32. fp16 on CUDA only
    gradient_checkpointing: bool = False  # compute activations twice instead of keeping them
    explosion: float = 30.0  # stop when the loss stays this many times above its running median; 0: never
    device: str = "cpu"
    log_every: int = 20
    validate_every: int = 500
    sample_every: int = 500
    save_every: int = 500
    keep: int = 2  # states kept on disk
    keep_best: bool = True  # fine-tuning: also keep the result of the best validation, and install that one
    patience: int = 3  # fine-tuning: validations in a row above the best one that count as learning by heart
    stop_when_worse: bool = False  # fine-tuning: end the run then


@dataclass(frozen=True)
class Optimizer:
    """AdamW with linear warm-up, then a rate by `schedule`; `ema_decay` is reached by (1 + n) / (10 + n).

    "cosine" falls to `min_lr` at the last step. "step" multiplies the rate by `factor` every `every` steps, "plateau"
    when `every` steps brought no lower mean loss; neither goes below `min_lr`. Over the last `cooldown` steps all but
    the cosine fall in a line to `min_lr`: decide when to end while it runs.
    """

    # the 8-bit one is bitsandbytes's and needs CUDA; prodigy (arXiv:2306.06101) is prodigyopt's and finds its own rate
    kind: Literal["adamw", "adamw8bit", "prodigy"] = "adamw"
    lr: float = 1e-3
    min_lr: float = 1e-5
    schedule: Literal["cosine", "constant", "step", "plateau"] = "cosine"
    warmup: int = 100
    cooldown: int = 0
    factor: float = 0.5
    every: int = 1000
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0
    clip: float = 1.0  # of the gradient's norm; 0: none
    ema_decay: float = 0.999


def check_run(run: Run, optimizer: Optimizer) -> None:
    counts = ("steps", "batch_size", "accumulate", "threads", "keep", "patience")
    rhythm = ("log_every", "validate_every", "sample_every", "save_every")
    numbers = {f"run.{key}": getattr(run, key) for key in counts + rhythm} | {"optimizer.every": optimizer.every}
    for name, value in numbers.items():
        if value < 1:
            raise UserError(f"{name} is {value}.", hint="It must be at least 1.", field=name)
    cuda = run.device.startswith("cuda")
    if run.precision == "fp16" and not cuda:
        raise UserError(
            f'run.precision is "fp16" on the device {run.device}; it works on CUDA only.',
            hint='Use "bf16" or "fp32".',
            field="run.precision",
        )
    if optimizer.kind == "adamw8bit" and not (cuda and importlib.util.find_spec("bitsandbytes")):
        lack = "bitsandbytes is not installed" if cuda else f"run.device is {run.device}"
        raise UserError(
            f'optimizer.kind is "adamw8bit", but {lack}.',
            hint='It needs CUDA and `pip install bitsandbytes`; "adamw" works everywhere.',
            field="optimizer.kind",
        )
    if optimizer.kind == "prodigy":
        _check_prodigy(optimizer)


def _check_prodigy(optimizer: Optimizer) -> None:
    if importlib.util.find_spec("prodigyopt") is None:
        raise UserError(
            'optimizer.kind is "prodigy", but prodigyopt is not installed.',
            hint='It needs `pip install prodigyopt`; "adamw" works everywhere.',
            field="optimizer.kind",
        )
    if not 0.1 <= optimizer.lr <= 10:
        raise UserError(
            f"optimizer.lr is {optimizer.lr:g}, but prodigy finds the rate itself and only multiplies it by this.",
            hint="Use 1.",
            field="optimizer.lr",
        )
