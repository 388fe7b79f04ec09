"""Schedules: lists of sigmas, each a function in a file of its own that registers it under A1111's label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modules.core.errors import NotFoundError
from modules.core.lazy import lazy_import
from modules.core.registry import Registry, import_folder
from modules.core.settings import Settings

if TYPE_CHECKING:
    import torch

    from modules.processing.samplers import Sampler

    from .table import SigmaTable
else:
    torch = lazy_import("torch")

AUTOMATIC = "Automatic"


@dataclass(frozen=True, kw_only=True)
class SigmaOptions:
    """How a person bends the schedules. 0 takes the model's or the schedule's own value."""

    sigma_min: float = 0.0
    sigma_max: float = 0.0
    rho: float = 0.0
    discard_penultimate: bool = False
    beta_alpha: float = 0.6
    beta_beta: float = 0.6
    unipc_skip: str = "time_uniform"
    is_sdxl: bool = False

    @staticmethod
    def from_settings(settings: Settings) -> SigmaOptions:
        from modules.processing.samplers import options

        return SigmaOptions(
            sigma_min=settings[options.SIGMA_MIN],
            sigma_max=settings[options.SIGMA_MAX],
            rho=settings[options.RHO],
            discard_penultimate=settings[options.DISCARD_PENULTIMATE],
            beta_alpha=settings[options.BETA_ALPHA],
            beta_beta=settings[options.BETA_BETA],
            unipc_skip=settings[options.UNI_PC_SKIP],
        )


@dataclass(frozen=True, kw_only=True)
class Span:
    """What a schedule is made for: its ends and the model's table."""

    sigma_min: float
    sigma_max: float
    table: SigmaTable
    options: SigmaOptions


ScheduleFunction = Callable[[int, Span], "torch.Tensor"]  # (steps, span) -> sigmas [steps + 1], descending, ends in 0


@dataclass(frozen=True)
class Schedule:
    """A schedule and its facts. `name` is A1111's internal name, `label` what people read. `order`: place in lists."""

    label: str
    name: str
    function: ScheduleFunction
    order: int
    default_rho: float = -1.0


schedules: Registry[Schedule] = Registry("schedule")
_found: list[tuple[Schedule, tuple[str, ...]]] = []
_filled = False


def register_schedule(
    label: str, *, name: str, order: int, aliases: tuple[str, ...] = (), default_rho: float = -1.0
) -> Callable[[ScheduleFunction], ScheduleFunction]:
    """Decorator that adds the schedule function below it."""

    def add(function: ScheduleFunction) -> ScheduleFunction:
        schedule = Schedule(label, name, function, order, default_rho)
        names = tuple(one for one in (name, *aliases) if one.casefold() != label.casefold())
        if _filled:
            schedules.add(label, schedule, aliases=names)
        else:
            _found.append((schedule, names))
        return function

    return add


def resolve_schedule(sampler: Sampler, wish: str) -> str:
    """The schedule's label: "Automatic" gives way to the sampler's own where it has one."""
    label = schedules.canonical(wish)
    if label == AUTOMATIC and sampler.default_schedule and not sampler.timesteps:
        return schedules.canonical(sampler.default_schedule)
    return label


def split_combined_name(name: str) -> tuple[str, str]:
    """(sampler, schedule) of a sampler's name, alias, or old combined name such as "DPM++ 2M Karras".

    The schedule is "Automatic" where the name has none, or says the sampler's own. NotFoundError suggests.
    """
    from modules.processing.samplers import samplers

    if name in samplers:
        return samplers.canonical(name), AUTOMATIC
    for schedule in schedules:
        for ending in (schedule.label, schedule.name, schedule.label.replace(" ", "")):
            if not name.casefold().endswith(f" {ending.casefold()}"):
                continue
            stem = name[: -len(ending)].strip()
            if stem in samplers:
                sampler = samplers.get(stem)
                own = sampler.default_schedule is not None and schedules.canonical(sampler.default_schedule)
                return sampler.name, AUTOMATIC if own == schedule.label else schedule.label
    samplers.get(name)  # raises, with suggestions
    raise NotFoundError(f"Unknown sampler {name!r}.", field="sampler")


def build_sigmas(sampler: Sampler, schedule: str, steps: int, table: SigmaTable, options: SigmaOptions) -> torch.Tensor:
    """sigmas [steps + 1] for one run, float32 on the CPU, descending, last 0.

    Samplers that need it (DPM2, ...) or a person who asks for it get one more, and the one before the last left out.
    """
    if sampler.grid is not None:
        return sampler.grid(steps, table, options)
    if sampler.timesteps:
        return _timestep_sigmas(steps, table)
    discard = sampler.discard_penultimate or options.discard_penultimate
    count = steps + 1 if discard else steps
    span = Span(
        sigma_min=options.sigma_min or table.sigma_min,
        sigma_max=options.sigma_max or table.sigma_max,
        table=table,
        options=options,
    )
    sigmas = schedules.get(schedule).function(count, span).float()
    if discard:
        sigmas = torch.cat([sigmas[:-2], sigmas[-1:]])
    return sigmas


def _timestep_sigmas(steps: int, table: SigmaTable) -> torch.Tensor:
    """DDIM's whole time steps, 1 + k * (T // steps), as A1111 runs them, down to 0 noise."""
    size = len(table.sigmas)
    stride = max(size // steps, 1)
    t = torch.clip(torch.arange(0, size, stride) + 1, 0, size - 1)[:steps]
    return torch.cat([table.sigmas[t].flip(0), torch.zeros(1)])


import_folder(__name__)
for _schedule, _aliases in sorted(_found, key=lambda one: one[0].order):
    schedules.add(_schedule.label, _schedule, aliases=_aliases)
_filled = True

__all__ = [
    "AUTOMATIC",
    "Schedule",
    "SigmaOptions",
    "Span",
    "build_sigmas",
    "register_schedule",
    "resolve_schedule",
    "schedules",
    "split_combined_name",
]
