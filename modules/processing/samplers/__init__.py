"""Samplers: each a function over an x0-denoiser in sigma space, in a file of its own that registers it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from modules.core.registry import Registry, import_folder

if TYPE_CHECKING:
    from torch import Tensor

OnStep = Callable[[int, "Tensor", "Tensor", "Tensor"], None]  # (step, x, sigma, denoised); may raise to interrupt


class Denoiser(Protocol):
    """Predicts x0, [B, C, h, w], from x at noise level sigma (scalar or [B])."""

    uncond: Tensor | None  # x0 of the negative prompt at the last call; None when CFG is off
    sigma_table: Tensor  # the model's discrete sigmas, ascending

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor: ...


class NoiseSource(Protocol):
    """Unit noise, drawn per image."""

    def normal(self) -> Tensor: ...


@dataclass(frozen=True)
class Sampler:
    """A sampling method and the facts others need about it."""

    name: str
    function: Callable[..., Tensor]
    order: int  # place in the list
    default_schedule: str | None = None
    second_order: bool = False
    discard_penultimate: bool = False
    ancestral: bool = False  # ENSD applies
    brownian: bool = False
    churn: bool = False
    timesteps: bool = False
    cfgpp: bool = False
    few_step: bool = False
    knobs: tuple[str, ...] = ()


samplers: Registry[Sampler] = Registry("sampler")
_found: list[tuple[Sampler, tuple[str, ...]]] = []


def register_sampler(
    name: str, *, order: int, aliases: tuple[str, ...] = (), **facts: Any
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Decorator that adds the sampling function below it; `facts` are the fields of Sampler."""

    def add(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        _found.append((Sampler(name, function, order, **facts), aliases))
        return function

    return add


import_folder(__name__)
for _sampler, _aliases in sorted(_found, key=lambda one: one[0].order):
    samplers.add(_sampler.name, _sampler, aliases=_aliases)
