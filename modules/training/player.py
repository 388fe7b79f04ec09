"""Modules that learn from one loss: their weights, their persistent buffers and their optimizer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor, nn

from modules.core.errors import UserError
from modules.training.config import Config
from modules.training.optimizers import make_optimizer, optimizer_tensors, restore_optimizer
from modules.training.processes import Place, average
from modules.training.randomness import place_seed, torch_generator

Loss = Callable[[int, torch.Generator], tuple[Tensor, dict[str, Tensor]] | None]


class Player:
    """learn() adds the gradient of a part of the batch, gather() ends the batch, update() takes the step.

    Several processes hold equal weights; buffers that change while learning follow the first process's.
    """

    def __init__(
        self, prefix: str, modules: dict[str, nn.Module], loss: Loss, config: Config, accelerator: Accelerator
    ) -> None:
        self.prefix, self.modules = prefix, modules
        self._loss, self._config, self._accelerator = loss, config, accelerator
        self.parameters: dict[str, nn.Parameter] = {
            f"{name}.{key}": one
            for name, part in modules.items()
            for key, one in part.named_parameters()
            if one.requires_grad
        }
        self._persistent = [(name, key) for name, part in modules.items() for key in sorted(_persistent_buffers(part))]
        self.optimizer = make_optimizer(config.optimizer, list(self.parameters.values()))
        self._seen: list[dict[str, Tensor]] = []

    @property
    def buffers(self) -> dict[str, Tensor]:
        """The persistent ones, as they are now."""
        return {f"{name}.{key}": self.modules[name].get_buffer(key) for name, key in self._persistent}

    def learn(self, place: Place) -> None:
        """Forward and backward. Every draw is a function of the seed and of `place`; all players get the same batch."""
        run = self._config.run
        torch.manual_seed(place_seed(run.seed, f"{self.prefix}dropout", *place))  # what modules draw by themselves
        with self._accelerator.autocast():
            learned = self._loss(place[0], torch_generator(run.seed, "train", *place))
        if learned is None:
            return
        loss, parts = learned
        self._accelerator.backward(loss / run.accumulate)
        self._seen.append({name: one.detach() for name, one in {"loss": loss, **parts}.items()})

    def gather(self) -> dict[str, float]:
        """The numbers of the whole batch, {} if nothing was learned. The gradient is now its mean, clipped."""
        if not self._seen:
            return {}
        seen, self._seen = self._seen, []
        average(self._accelerator, [one.grad for one in self.parameters.values() if one.grad is not None])
        if self._accelerator.scaler is not None:
            self._accelerator.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.parameters.values(), self._config.optimizer.clip or math.inf)
        names, device = list(seen[0]), norm.device
        means = torch.stack([torch.stack([part[name].float().to(device) for name in names]) for part in seen]).mean(0)
        average(self._accelerator, [means])
        values = torch.cat([means, norm.float()[None]]).tolist()  # one wait for the device, not one a number
        return {f"{self.prefix}{name}": value for name, value in zip([*names, "norm"], values)}

    def update(self, rate: float) -> None:
        if all(one.grad is None for one in self.parameters.values()):
            return
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        if self._accelerator.scaler is not None:
            self._accelerator.scaler.step(self.optimizer)  # leaves out a step whose gradient overflowed
        else:
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self._accelerator.num_processes > 1:
            broadcast(list(self.buffers.values()))

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        memory = optimizer_tensors(self.optimizer, self.parameters)
        return {"parameters": dict(self.parameters), "buffers": self.buffers, "optimizer": memory}

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
        """UserError, and nothing changed, when they belong to other modules."""
        here = {"parameters": self.parameters, "buffers": self.buffers}
        for part, ours in here.items():
            _check_same(tensors[part], ours)
        for part, ours in here.items():
            for name, one in ours.items():
                one.copy_(tensors[part][name])
        restore_optimizer(self.optimizer, self.parameters, dict(tensors["optimizer"]))


def _persistent_buffers(module: nn.Module) -> set[str]:
    return set(module.state_dict()) & {key for key, _ in module.named_buffers()}


def _check_same(kept: Mapping[str, Tensor], here: Mapping[str, Tensor]) -> None:
    shapes = [{name: tuple(one.shape) for name, one in some.items()} for some in (kept, here)]
    differing = [name for name in {**shapes[1], **shapes[0]} if shapes[0].get(name) != shapes[1].get(name)]
    if not differing:
        return
    there, now = (some.get(differing[0], "missing") for some in shapes)
    raise UserError(
        f"The saved state is of another architecture: {differing[0]} is {there} there and {now} here"
        f" ({len(differing)} tensors differ).",
        hint="Continue with the config that the run began with, or train into another run.folder.",
    )
