"""A request with one of its fields changed, by dotted name."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

from modules.processing.requests import Churn, Generate, Hires, InitImage, MaskedImage, Refiner

SEEDS = 2**32 - 2  # A1111 draws from 0 to this, without it
OPEN = {"sampling.churn": Churn(), "after.hires": Hires()}  # groups that a request may lack, and what fills them


def change(request: Generate, field: str, value: Any) -> Generate:
    """`change(request, "sampling.steps", 30)`. A group that the request lacks is filled with its defaults."""
    return _change(request, field.split("."), value, "")


def _change(group: Any, names: list[str], value: Any, path: str) -> Any:
    name, rest = names[0], names[1:]
    here = f"{path}{name}"
    if rest:
        inner = getattr(group, name)
        value = _change(OPEN[here] if inner is None else inner, rest, value, f"{here}.")
    return dataclasses.replace(group, **{name: value})


def change_init(request: Generate, **fields: Any) -> Generate:
    """With fields of the pictures it starts from changed, masked or not."""
    match request.source:
        case MaskedImage(init=init) as masked:
            source = dataclasses.replace(masked, init=dataclasses.replace(init, **fields))
        case InitImage() as init:
            source = dataclasses.replace(init, **fields)
        case _:
            return request
    return dataclasses.replace(request, source=source)


def init_of(request: Generate) -> InitImage:
    """The pictures that an img2img request starts from."""
    source = request.source.init if isinstance(request.source, MaskedImage) else request.source
    assert isinstance(source, InitImage)
    return source


def change_refiner(request: Generate, checkpoint: str | None = None, switch_at: float | None = None) -> Generate:
    """With another refiner ("None": none), or its moment; a moment without a refiner changes nothing."""
    now = request.model.refiner
    if checkpoint is not None:
        now = None if checkpoint.casefold() == "none" else Refiner(checkpoint=checkpoint, switch_at=_moment(now))
    if now is not None and switch_at is not None:
        now = dataclasses.replace(now, switch_at=switch_at)
    return change(request, "model.refiner", now)


def override(request: Generate, key: str, value: Any) -> Generate:
    """With a setting for this request only."""
    return dataclasses.replace(request, overrides={**request.overrides, key: value})


def with_fixed_seeds(request: Generate) -> Generate:
    """Seeds of -1 drawn now, so that all requests made of it share them."""
    seed = request.seed
    drawn = {
        name: random.randrange(SEEDS) for name, one in (("seed", seed.seed), ("variation", seed.variation)) if one == -1
    }
    return dataclasses.replace(request, seed=dataclasses.replace(seed, **drawn))


def _moment(refiner: Refiner | None) -> float:
    return refiner.switch_at if refiner else Refiner(checkpoint="").switch_at


def with_size(request: Generate, width: int, height: int) -> Generate:
    return dataclasses.replace(request, shape=dataclasses.replace(request.shape, width=width, height=height))
