"""All that a training step changes, in one place: what is saved, and what comes back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from modules.core.errors import UserError
from modules.training.checkpoints import State
from modules.training.config import Config
from modules.training.divergence import Watch
from modules.training.ema import Ema
from modules.training.method import Method
from modules.training.player import Player
from modules.training.schedule import Schedule


class Team:
    """The method's player, its opponent if it has one, the mean of the weights, the rate, the scaler, the watch."""

    def __init__(self, config: Config, method: Method, accelerator: Accelerator) -> None:
        self._config, self._scaler = config, accelerator.scaler
        self.player = Player("", method.modules, method.loss, config, accelerator)
        self.players = [self.player]
        if method.opponent is not None:
            opponent = Player("opponent/", method.opponent.modules, method.opponent.loss, config, accelerator)
            self.players.append(opponent)
        self.ema = Ema(dict(self.player.parameters), config.optimizer.ema_decay)
        self.schedule = Schedule(config.run.steps, config.optimizer)
        self.watch = Watch(config.run.explosion)
        self._opposed = False
        if config.run.gradient_checkpointing:
            _checkpoint_gradients(method.modules)

    @contextmanager
    def only(self, player: Player) -> Iterator[None]:
        """Inside, no gradient reaches the weights of the others."""
        others = [one for other in self.players if other is not player for one in other.parameters.values()]
        for one in others:
            one.requires_grad_(False)
        try:
            yield
        finally:
            for one in others:
                one.requires_grad_(True)

    def gather(self, step: int) -> dict[str, float]:
        """The numbers of the step; Divergence when its weights are not worth having."""
        ours, theirs = self.player.gather(), {}
        for opponent in self.players[1:]:
            theirs |= opponent.gather()
        if bool(theirs) != self._opposed:  # from here on there is another term in the loss
            self._opposed = bool(theirs)
            self.watch.forget()
        numbers = ours | theirs
        judged = ("opponent/loss",) if self._may_overflow() else ("opponent/loss", "norm", "opponent/norm")
        self.watch.see(step, ours["loss"], {name: numbers[name] for name in judged if name in numbers})
        return numbers

    def update(self, rate: float, loss: float) -> None:
        for player in self.players:
            player.update(rate)
        if self._scaler is not None:
            self._scaler.update()
        self.ema.update()
        self.schedule.see(loss)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """The modules hold the mean of the weights and are in eval mode inside, without gradients."""
        modes = {one: one.training for part in self.player.modules.values() for one in part.modules()}
        for one in modes:
            one.training = False
        try:
            with self.ema.applied(), torch.no_grad():
                yield
        finally:
            for one, mode in modes.items():
                one.training = mode

    def state(self, step: int) -> State:
        opponent: dict[str, Tensor] = {}
        for player in self.players[1:]:
            opponent = {f"{part}/{key}": one for part, some in player.tensors().items() for key, one in some.items()}
        memory: dict[str, Any] = {
            "optimizer": self._config.optimizer.kind,
            "schedule": self.schedule.memory(),
            "watch": self.watch.memory(),
            "opposed": self._opposed,
            "scaler": None if self._scaler is None else self._scaler.state_dict(),
        }
        return State(
            step=step,
            ema=self.ema.shadow,
            ema_updates=self.ema.updates,
            opponent=opponent,
            memory=memory,
            config=dataclasses.asdict(self._config),
            **self.player.tensors(),
        )

    def restore(self, state: State | None) -> int:
        """Go on from there; returns the step. UserError for a state of other modules or another optimizer."""
        if state is None:
            return 0
        memory = state.memory
        kind = memory.get("optimizer", "adamw")
        if kind != self._config.optimizer.kind:
            raise UserError(
                f"The saved state is of the optimizer {kind}, the config asks for {self._config.optimizer.kind}.",
                hint=f'Use optimizer.kind = "{kind}", or another run.folder.',
                field="optimizer.kind",
            )
        self.player.restore({part: getattr(state, part) for part in ("parameters", "buffers", "optimizer")})
        self._restore_opponent(state.opponent)
        self.ema.restore(state.ema, state.ema_updates)
        if memory:  # older states have none
            self.schedule.restore(memory["schedule"])
            self.watch.restore(**memory["watch"])
            self._opposed = memory["opposed"]
        if self._scaler is not None and memory.get("scaler"):
            self._scaler.load_state_dict(memory["scaler"])
        return state.step

    def _restore_opponent(self, tensors: dict[str, Tensor]) -> None:
        parts: dict[str, dict[str, Tensor]] = {"parameters": {}, "buffers": {}, "optimizer": {}}
        for key, one in tensors.items():
            part, _, name = key.partition("/")
            parts[part][name] = one
        for opponent in self.players[1:]:
            opponent.restore(parts)

    def _may_overflow(self) -> bool:
        """fp16 gradients may: the scaler leaves out the step and takes a smaller scale, as long as there is one."""
        return self._scaler is not None and self._scaler.get_scale() > 1


def _checkpoint_gradients(modules: dict[str, nn.Module]) -> None:
    """Keep no inner activations for the backward pass but compute them again, in all modules that can."""
    able = 0
    for module in modules.values():
        for enable in ("enable_gradient_checkpointing", "activation_checkpointing_enable"):  # diffusers, transformers
            if hasattr(module, enable):
                getattr(module, enable)()
                able += 1
    if not able:
        raise UserError(
            f"None of {', '.join(modules)} can checkpoint gradients.",
            hint="Set run.gradient_checkpointing = false.",
            field="run.gradient_checkpointing",
        )
