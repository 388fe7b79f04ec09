"""What a person asks for: one frozen value for every kind of picture, JSON in and out.

A request leaves things open (None, -1, "Automatic"); `resolve` decides them.
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, Union

from modules.core.errors import UserError

JsonValue = Union[None, bool, int, float, str, list["JsonValue"], dict[str, "JsonValue"]]  # noqa: UP007
ResizeMode = Literal["just", "crop", "fill", "latent"]  # in the order of A1111's numbers, as the next
Fill = Literal["fill", "original", "latent noise", "latent nothing"]
Tiling = Literal[False, True, "x", "y", "both"]  # which edges meet; True: both
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Prompt:
    positive: str = ""
    negative: str = ""
    styles: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Overlapping windows that a large picture is denoised in; pixels. 0 takes the model's native size.

    "mixture" weighs windows by a Gaussian (Mixture of Diffusers, arXiv:2302.02412), "multi" evenly (MultiDiffusion,
    arXiv:2302.08113). `regions` have prompts of their own.
    """

    size: int = 0
    overlap: int = 0
    batch: int = 4
    weights: Literal["mixture", "multi"] = "mixture"
    regions: tuple[Region, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Region:
    """A rectangle in shares of the picture (0 to 1) that is told `prompt` as well."""

    left: float
    top: float
    right: float
    bottom: float
    prompt: str
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Pixels of one picture, and how many: batch_size at once, batch_count times.

    `method`: how a size far from the model's own is reached; "auto" chooses by the size.
    """

    width: int = 512
    height: int = 512
    batch_size: int = 1
    batch_count: int = 1
    method: Literal["auto", "direct", "hires", "windows"] = "direct"
    windows: Windows = field(default_factory=Windows)


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
    """None takes the setting. `networks`: apply <lora:...> of the prompt. `tiling`: edges that meet."""

    checkpoint: str | None = None
    vae: str | None = None
    clip_skip: int | None = None
    refiner: Refiner | None = None
    networks: bool = True
    tiling: Tiling | None = None


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Start from noise: txt2img."""

    kind: Literal["noise"] = "noise"


@dataclass(frozen=True, kw_only=True)
class InitImage:
    """Start from pictures: img2img. `images` are references of the picture store.

    Picture k of a batch starts from image k, the first again after the last; more than a batch has are not used.
    `image_cfg_scale` is for InstructPix2Pix models; None: 1.5.
    """

    kind: Literal["image"] = "image"
    images: tuple[str, ...] = ()
    strength: float = 0.75
    resize: ResizeMode = "just"
    image_cfg_scale: float | None = None


@dataclass(frozen=True, kw_only=True)
class Mask:
    """White is painted anew. `image` is a reference of the picture store; blurs are deviations in pixels.

    `round`: each latent is either painted or kept.
    """

    image: str
    blur_x: float = 4.0
    blur_y: float = 4.0
    invert: bool = False
    round: bool = True


@dataclass(frozen=True, kw_only=True)
class SoftInpainting:
    """Differential inpainting: grey of the mask decides for how long the original leads. See SOFT_RANGES."""

    schedule_bias: float = 1.0
    preservation_strength: float = 0.5
    transition_contrast_boost: float = 4.0
    mask_influence: float = 0.0
    difference_threshold: float = 0.5
    difference_contrast: float = 2.0


SOFT_RANGES = {
    "schedule_bias": (0, 8),
    "preservation_strength": (0, 8),
    "transition_contrast_boost": (1, 32),
    "mask_influence": (0, 1),
    "difference_threshold": (0, 8),
    "difference_contrast": (0, 8),
}


@dataclass(frozen=True, kw_only=True)
class MaskedImage:
    """Paint a part of a picture anew: inpaint. `padding`: only the masked area is worked on, with so many pixels
    around it; None: the whole picture.
    """

    init: InitImage
    mask: Mask
    kind: Literal["masked"] = "masked"
    fill: Fill = "original"
    padding: int | None = None
    soft: SoftInpainting | None = None


Source = Noise | InitImage | MaskedImage


@dataclass(frozen=True, kw_only=True)
class HiresPass:
    """How the second pass differs. Empty or None: as the first."""

    positive: str = ""
    negative: str = ""
    sampler: str | None = None
    schedule: str | None = None
    checkpoint: str | None = None
    cfg_scale: float | None = None


@dataclass(frozen=True, kw_only=True)
class Hires:
    """A second pass over the enlarged picture. width and height 0: by `scale`; one of them 0: by the aspect.

    `steps` 0: as many as the first pass. `first`: a picture of the store that takes the place of the first pass.
    """

    upscaler: str = "Latent"
    scale: float = 2.0
    width: int = 0
    height: int = 0
    steps: int = 0
    strength: float = 0.7
    first: str = ""
    second: HiresPass = field(default_factory=HiresPass)


@dataclass(frozen=True, kw_only=True)
class ScriptCall:
    """A script of the registry that makes requests of this one. `arguments` by their names."""

    name: str
    arguments: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class After:
    """What happens with the pictures. `save`: into outputs/ (else they are kept with the job only).

    `name`: the file's stem instead of the naming pattern's.
    """

    save: bool = True
    grid: bool = True
    folder: str = ""
    name: str = ""
    hires: Hires | None = None
    script: ScriptCall | None = None


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


def references(request: Generate) -> list[str]:
    """All pictures of the store that a request names."""
    found: list[str] = []
    match request.source:
        case InitImage(images=images):
            found += images
        case MaskedImage(init=init, mask=mask):
            found += [*init.images, mask.image]
        case Noise():
            pass
    if request.after.hires is not None:
        found.append(request.after.hires.first)
    return [one for one in found if one]


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
    for one in dataclasses.fields(kind):  # type: ignore[arg-type]
        needed = one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
        if needed and one.name not in value:
            raise UserError(f"{where}{one.name} is missing.", hint="Send it.", field=f"{where}{one.name}")
    return kind(**{name: _read(hints[name], one, f"{where}{name}") for name, one in value.items()})


def _read(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (Union, types.UnionType):
        options = typing.get_args(hint)
        if value is None and type(None) in options:
            return None
        found = [one for one in options if one is not type(None)]
        return _read(found[0] if len(found) == 1 else _of_kind(found, value, where), value, where)
    if dataclasses.is_dataclass(hint):
        return read_dataclass(typing.cast(type, hint), value, f"{where}.")
    if origin is Literal:
        for choice in typing.get_args(hint):
            if type(choice) is type(value) and choice == value:
                return choice
    elif origin is tuple:
        if isinstance(value, (list, tuple)):
            inner = typing.get_args(hint)[0]
            return tuple(_read(inner, one, f"{where}[{index}]") for index, one in enumerate(value))
    elif origin is not None and issubclass(origin, Mapping):
        if isinstance(value, Mapping):
            return dict(value)
    elif hint is float:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max:
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


def _of_kind(options: list[Any], value: object, where: str) -> Any:
    """The dataclass of a union whose `kind` the value names."""
    kinds = {typing.get_args(typing.get_type_hints(one)["kind"])[0]: one for one in options}
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if isinstance(kind, str) and kind in kinds:
        return kinds[kind]
    raise UserError(
        f"{where}.kind is {str(kind)[:80]!r}, but one of {', '.join(kinds)} was expected.", field=f"{where}.kind"
    )
