"""The training loop. It knows no method: a method gives modules, a loss, a validation and samples."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from modules.core.errors import EaselError
from modules.core.files import write_atomic
from modules.training import checkpoints
from modules.training.config import Config, Optimizer, dump_config
from modules.training.ema import Ema
from modules.training.randomness import place_seed, torch_generator

log = logging.getLogger(__name__)

OnMetrics = Callable[[int, Mapping[str, float]], None]
OnSample = Callable[[int, Path], None]


class Method(Protocol):
    """What a way of training does within a step. Modules live on the run's device when they come."""

    @property
    def modules(self) -> dict[str, nn.Module]:
        """What is trained, by name."""
        ...

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of one batch and its named parts; the batch and all noise depend on the arguments only."""
        ...

    def validate(self) -> dict[str, float]: ...

    def sample(self, path: Path) -> None:
        """Draw a grid of fixed samples into a PNG."""
        ...

    def finish(self, folder: Path) -> None:
        """Write the result for use, from the weights as they are now."""
        ...


def train(
    config: Config,
    method: Method,
    *,
    stopping: Callable[[], bool] = lambda: False,
    on_metrics: OnMetrics | None = None,
    on_sample: OnSample | None = None,
) -> Path:
    """Train up to run.steps, from the folder's last state if it has one. Returns the result's folder.

    `stopping` is asked after every step; when it says so, the state is saved and the run ends.

    A run stopped anywhere and started again ends with the same bits as one that was not, on one device.
    """
    run, folder = config.run, Path(config.run.folder).expanduser()
    write_atomic(folder / "config.toml", dump_config(config))
    parameters = {f"{name}.{key}": one for name, part in method.modules.items() for key, one in part.named_parameters()}
    optimizer = torch.optim.AdamW(
        list(parameters.values()),
        lr=config.optimizer.lr,
        betas=(config.optimizer.beta1, config.optimizer.beta2),
        weight_decay=config.optimizer.weight_decay,
        fused=True,
    )
    ema = Ema(dict(parameters), config.optimizer.ema_decay)
    start = _restore(folder, parameters, ema, optimizer)
    last, began, logged = run.steps, time.monotonic(), start
    bf16 = run.precision == "bf16"

    for step in range(start, last):
        torch.manual_seed(place_seed(run.seed, "dropout", step))  # the only draws not from the generator below
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, run.steps, config.optimizer)
        with torch.autocast(run.device.split(":")[0], torch.bfloat16, enabled=bf16):
            loss, parts = method.loss(step, torch_generator(run.seed, "train", step))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(parameters.values(), config.optimizer.clip)
        if not math.isfinite(float(loss.detach())) or not math.isfinite(float(norm)):
            raise EaselError(
                f"The loss is {float(loss.detach())} at step {step}.",
                hint="The last saved state is kept; lower the rate.",
            )
        optimizer.step()
        ema.update()

        done = step + 1
        if done % run.log_every == 0 or done == last:
            now = time.monotonic()
            row = {"loss": float(loss.detach()), "norm": float(norm), "lr": optimizer.param_groups[0]["lr"]}
            row |= {name: float(part.detach()) for name, part in parts.items()}
            row["steps_per_s"] = (done - logged) / (now - began)
            began, logged = now, done
            _note(folder, done, row, on_metrics)
        stop = stopping()
        if done % run.save_every == 0 or done == last or stop:
            tensors = checkpoints.optimizer_tensors(optimizer, parameters)
            state = checkpoints.State(done, dict(parameters), ema.shadow, ema.updates, tensors)
            checkpoints.save(folder, state, keep=run.keep)
            with ema.applied(), torch.no_grad():
                method.finish(folder / "result")
        if stop:
            break
        if done % run.validate_every == 0 or done == last:
            with ema.applied(), torch.no_grad():
                _note(folder, done, {f"val/{key}": one for key, one in method.validate().items()}, on_metrics)
        if done % run.sample_every == 0 or done == last:
            (folder / "samples").mkdir(exist_ok=True)
            path = folder / "samples" / f"step-{done:07d}.png"
            with ema.applied(), torch.no_grad():
                method.sample(path)
            if on_sample is not None:
                on_sample(done, path)
    return folder / "result"


def learning_rate(step: int, steps: int, optimizer: Optimizer) -> float:
    """Linear warm-up to `lr`, then constant (a line at the end) or a half cosine down to `min_lr` at the last step."""
    if step < optimizer.warmup:
        return optimizer.lr * (step + 1) / optimizer.warmup
    if optimizer.schedule == "constant":
        left = min(1.0, (steps - step) / max(1, optimizer.cooldown))
        return optimizer.min_lr + (optimizer.lr - optimizer.min_lr) * left
    done = (step - optimizer.warmup) / max(1, steps - optimizer.warmup)
    return optimizer.min_lr + (optimizer.lr - optimizer.min_lr) * 0.5 * (1 + math.cos(math.pi * done))


def _restore(folder: Path, parameters: dict[str, nn.Parameter], ema: Ema, optimizer: torch.optim.Optimizer) -> int:
    state = checkpoints.load_latest(folder)
    if state is None:
        return 0
    with torch.no_grad():
        for name, one in parameters.items():
            one.copy_(state.parameters[name])
            ema.shadow[name].copy_(state.ema[name])
    ema.updates = state.ema_updates
    checkpoints.restore_optimizer(optimizer, parameters, state.optimizer)
    log.info("Continuing at step %d", state.step)
    return state.step


def _note(folder: Path, step: int, row: Mapping[str, float], on_metrics: OnMetrics | None) -> None:
    with open(folder / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps({"step": step, "time": round(time.time(), 1), **row}) + "\n")
    log.info("%d  %s", step, "  ".join(f"{name} {value:.4g}" for name, value in row.items()))
    if on_metrics is not None:
        on_metrics(step, row)
