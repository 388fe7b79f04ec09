"""What a person asks for: one frozen value for every kind of picture, JSON in and out.

A request leaves things open (None, -1, "Automatic"); `resolve` decides them.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, Union

from modules.core.errors import UserError

JsonValue = Union[None, bool, int, float, str, list["JsonValue"], dict[str, "JsonValue"]]  # noqa: UP007
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Prompt:
    positive: str = ""
    negative: str = ""
    styles: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Pixels of one picture, and how many: batch_size at once, batch_count times."""

    width: int = 512
    height: int = 512
    batch_size: int = 1
    batch_count: int = 1


@dataclass(frozen=True, kw_only=True)
class Seed:
    """-1 draws a seed. Picture k uses seed + k, or, with a variation, variation + k."""

    seed: int = -1
    variation: int = -1
    variation_strength: float = 0.0
    resize_from_width: int = 0
    resize_from_height: int = 0


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """None takes the setting of the same meaning (eta_ancestral, s_churn, ...)."""

    sampler: str | None = None
    schedule: str = "Automatic"
    steps: int = 20
    cfg_scale: float = 7.0
    eta: float | None = None
    churn: Churn | None = None
    negative_guidance_minimum_sigma: float | None = None


@dataclass(frozen=True, kw_only=True)
class Churn:
    """Stochasticity of Karras et al. 2022, Algorithm 2. None takes the setting; s_tmax 0 means no upper end."""

    s_churn: float | None = None
    s_tmin: float | None = None
    s_tmax: float | None = None
    s_noise: float | None = None


@dataclass(frozen=True, kw_only=True)
class Refiner:
    checkpoint: str
    switch_at: float = 0.8


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """None takes the setting. `networks`: apply <lora:...> of the prompt. `tiling`: seamless edges."""

    checkpoint: str | None = None
    vae: str | None = None
    clip_skip: int | None = None
    refiner: Refiner | None = None
    networks: bool = True
    tiling: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Start from noise: txt2img."""

    kind: Literal["noise"] = "noise"


Source = Noise  # img2img and inpainting join here


@dataclass(frozen=True, kw_only=True)
class After:
    """What happens with the pictures. `save`: into outputs/ (else they are kept with the job only)."""

    save: bool = True
    grid: bool = True
    folder: str = ""


@dataclass(frozen=True, kw_only=True)
class Generate:
    """One wish for pictures. `overrides`: settings by key, for this request only."""

    prompt: Prompt = field(default_factory=Prompt)
    shape: Shape = field(default_factory=Shape)
    seed: Seed = field(default_factory=Seed)
    sampling: Sampling = field(default_factory=Sampling)
    model: ModelChoice = field(default_factory=ModelChoice)
    source: Source = field(default_factory=Noise)
    after: After = field(default_factory=After)
    overrides: Mapping[str, JsonValue] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `Generate.from_json` gives an equal request back."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Generate:
        """A request from JSON; UserError names the field that is unknown or of a wrong type."""
        return read_dataclass(Generate, value)


def read_dataclass(kind: type[T], value: object, where: str = "") -> T:
    """Build the frozen dataclass `kind` from JSON; every field is checked against its annotation."""
    if not isinstance(value, Mapping):
        raise UserError(f"{where or 'The request'} is {value!r}, but an object was expected.", field=where)
    hints = typing.get_type_hints(kind)
    known = {one.name for one in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name in value:
        if name not in known:
            raise UserError(
                f"Unknown field {where}{name}.", hint=f"Known: {', '.join(sorted(known))}.", field=f"{where}{name}"
            )
    return kind(**{name: _read(hints[name], one, f"{where}{name}") for name, one in value.items()})


def _read(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (Union, types.UnionType):
        options = typing.get_args(hint)
        if value is None and type(None) in options:
            return None
        return _read(next(one for one in options if one is not type(None)), value, where)
    if dataclasses.is_dataclass(hint):
        return read_dataclass(typing.cast(type, hint), value, f"{where}.")
    if origin is Literal:
        if value in typing.get_args(hint):
            return value
    elif origin is tuple:
        if isinstance(value, (list, tuple)):
            inner = typing.get_args(hint)[0]
            return tuple(_read(inner, one, f"{where}[{index}]") for index, one in enumerate(value))
    elif origin is not None and issubclass(origin, Mapping):
        if isinstance(value, Mapping):
            return dict(value)
    elif hint is float:
        if (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and float(value) == value
            and abs(value) != float("inf")
        ):
            return float(value)
    elif hint is int:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif isinstance(hint, type) and isinstance(value, hint):
        return value
    expected = getattr(hint, "__name__", str(hint))
    raise UserError(f"Field {where} is {str(value)[:80]!r}, but {expected} was expected.", field=where)
