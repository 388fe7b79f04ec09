"""Samplers: each a function over an x0-denoiser in sigma space, in a file of its own that registers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from modules.core.registry import Registry, import_folder
from modules.core.settings import Setting, Settings
from modules.processing.samplers import options

if TYPE_CHECKING:
    from torch import Tensor

    from modules.processing.schedules import SigmaOptions
    from modules.processing.schedules.table import SigmaTable

OnStep = Callable[[int, "Tensor", "Tensor", "Tensor"], None]  # (step, x, sigma, denoised); may raise to interrupt


class Denoiser(Protocol):
    """Predicts x0, [B, C, h, w], from x at noise level sigma (scalar or [B])."""

    uncond: Tensor | None  # x0 of the negative prompt at the last call; None when CFG is off
    sigma_table: Tensor  # the model's discrete sigmas, ascending

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor: ...


Grid = Callable[[int, "SigmaTable", "SigmaOptions"], "Tensor"]  # (steps, table, options) -> sigmas [steps + 1]


class NoiseSource(Protocol):
    """Unit noise, drawn per image."""

    def normal(self) -> Tensor:
        """The next draw, [B, C, h, w]."""
        ...

    def brownian(self, sigma_min: float, sigma_max: float) -> Callable[[Any, Any], Tensor]:
        """(sigma, sigma_next) -> unit noise [B, C, h, w], consistent over all intervals between the two ends."""
        ...


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
    adaptive: bool = False  # takes its steps from the picture, so that each picture must be made alone
    grid: Grid | None = None  # its own sigmas, where a schedule has no say
    knobs: tuple[str, ...] = ()


samplers: Registry[Sampler] = Registry("sampler")
_found: list[tuple[Sampler, tuple[str, ...]]] = []
_filled = False


def register_sampler(
    name: str,
    *,
    order: int,
    aliases: tuple[str, ...] = (),
    default_schedule: str | None = None,
    second_order: bool = False,
    discard_penultimate: bool = False,
    ancestral: bool = False,
    brownian: bool = False,
    churn: bool = False,
    timesteps: bool = False,
    cfgpp: bool = False,
    few_step: bool = False,
    adaptive: bool = False,
    grid: Grid | None = None,
    knobs: tuple[str, ...] = (),
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Decorator that adds the sampling function below it; the facts are those of Sampler."""

    def add(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        sampler = Sampler(
            name,
            function,
            order,
            default_schedule=default_schedule,
            second_order=second_order,
            discard_penultimate=discard_penultimate,
            ancestral=ancestral,
            brownian=brownian,
            churn=churn,
            timesteps=timesteps,
            cfgpp=cfgpp,
            few_step=few_step,
            adaptive=adaptive,
            grid=grid,
            knobs=knobs,
        )
        if _filled:
            samplers.add(name, sampler, aliases=aliases)
        else:
            _found.append((sampler, aliases))
        return function

    return add


def knob_settings(sampler: Sampler) -> dict[str, Setting[Any]]:
    """The setting behind each knob of a sampler."""
    eta = options.ETA_DDIM if sampler.timesteps else options.ETA_ANCESTRAL
    known: dict[str, Setting[Any]] = {
        "eta": eta,
        "s_churn": options.S_CHURN,
        "s_tmin": options.S_TMIN,
        "s_tmax": options.S_TMAX,
        "s_noise": options.S_NOISE,
        "variant": options.UNI_PC_VARIANT,
        "order": options.UNI_PC_ORDER,
        "lower_order_final": options.UNI_PC_LOWER_ORDER,
    }
    return {name: known[name] for name in sampler.knobs if name in known}


def knob_values(sampler: Sampler, settings: Settings, wished: Mapping[str, Any]) -> dict[str, Any]:
    """What the sampler is told: the request's wishes where it has them, else the settings' values."""
    found = knob_settings(sampler)
    return {name: setting.check(wished.get(name, settings[setting])) for name, setting in found.items()}


import_folder(__name__)
for _sampler, _aliases in sorted(_found, key=lambda one: one[0].order):
    samplers.add(_sampler.name, _sampler, aliases=_aliases)
_filled = True
