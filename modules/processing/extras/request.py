"""What is asked for pictures that are there already: larger, with better faces, cut and named for a training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from modules.core.errors import UserError
from modules.core.paths import Paths
from modules.processing.requests import read_dataclass

Flip = Literal["Horizontal", "Vertical", "Both"]
MAX_BY, MAX_SIDE, MIN_CUT = 64.0, 16_384, 64


@dataclass(frozen=True, kw_only=True)
class InputPicture:
    """`picture`: a reference of the picture store. `name`: of its file, for those of the results."""

    picture: str
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    kind: Literal["pictures"] = "pictures"
    pictures: tuple[InputPicture, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Folder:
    """All pictures of a folder, from the data folder when it is no whole path. Empty `output`: the usual one."""

    folder: str
    kind: Literal["folder"] = "folder"
    output: str = ""
    show: bool = True


@dataclass(frozen=True, kw_only=True)
class Target:
    """Pixels to cover; `crop`: what stands over is cut off."""

    width: int = 512
    height: int = 512
    crop: bool = True


@dataclass(frozen=True, kw_only=True)
class Size:
    """`by`: times as large, but no side longer than `max_side` (0: any); `to` takes its place."""

    by: float = 4.0
    to: Target | None = None
    max_side: int = 0


@dataclass(frozen=True, kw_only=True)
class Upscale:
    """Names of upscalers; "None" leaves the picture's size alone. The second is blended over the first."""

    first: str = "None"
    second: str = "None"
    second_visibility: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Faces:
    """Visibility 0 is off, 1 replaces the face. `codeformer_weight`: 0 changes most."""

    gfpgan: float = 0.0
    codeformer: float = 0.0
    codeformer_weight: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Split:
    """Cut pictures that are much longer than the target. `threshold`: how far from its shape, 0 to 1."""

    threshold: float = 0.5
    overlap: float = 0.2


@dataclass(frozen=True, kw_only=True)
class FocalCrop:
    """Cut to the target where most is to be seen: weights of detail (entropy) and of outlines (edges), 0 to 1."""

    entropy: float = 0.15
    edges: float = 0.5


@dataclass(frozen=True, kw_only=True)
class AutoCrop:
    """Cut to the size in steps of 64 pixels that suits the shape. `threshold`: the most that may be lost, 0 to 1."""

    min_side: int = 384
    max_side: int = 768
    min_area: int = 64 * 64
    max_area: int = 640 * 640
    objective: Literal["Maximize area", "Minimize error"] = "Maximize area"
    threshold: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Captions:
    """A text file beside each picture. `text`: with {prompt}, {negative}, {name} where those belong."""

    by: Literal["prompt", "text", "BLIP", "Deepbooru"] = "prompt"
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Making pictures ready for a training. None: not asked for."""

    split: Split | None = None
    focal: FocalCrop | None = None
    auto: AutoCrop | None = None
    flips: tuple[Flip, ...] = ()
    captions: Captions | None = None


@dataclass(frozen=True, kw_only=True)
class ExtrasRequest:
    """One wish for pictures that are there. `order`: operations that go before the others, by name.

    `save`: into outputs/ (else the results are kept with the job only).
    """

    source: Pictures | Folder = field(default_factory=Pictures)
    size: Size = field(default_factory=Size)
    upscale: Upscale = field(default_factory=Upscale)
    faces: Faces = field(default_factory=Faces)
    dataset: Dataset = field(default_factory=Dataset)
    order: tuple[str, ...] = ()
    save: bool = True

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `ExtrasRequest.from_json` gives an equal request back."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> ExtrasRequest:
        """A request from JSON, its ranges checked; UserError names the field."""
        request = read_dataclass(ExtrasRequest, value)
        check_ranges(request)
        return request


def check_ranges(request: ExtrasRequest) -> None:
    """UserError names the first field that is out of range, or that nothing could come of."""
    size, upscale, faces, dataset = request.size, request.upscale, request.faces, request.dataset
    parts: list[tuple[str, float, float, float]] = [
        ("size.by", size.by, 0.01, MAX_BY),
        ("size.max_side", size.max_side, 0, MAX_SIDE),
        ("upscale.second_visibility", upscale.second_visibility, 0, 1),
        ("faces.gfpgan", faces.gfpgan, 0, 1),
        ("faces.codeformer", faces.codeformer, 0, 1),
        ("faces.codeformer_weight", faces.codeformer_weight, 0, 1),
    ]
    if size.to is not None:
        parts += [("size.to.width", size.to.width, 1, MAX_SIDE), ("size.to.height", size.to.height, 1, MAX_SIDE)]
    if dataset.split is not None:
        parts += [("dataset.split.threshold", dataset.split.threshold, 0, 1)]
        parts += [("dataset.split.overlap", dataset.split.overlap, 0, 0.9)]
    if dataset.focal is not None:
        parts += [(f"dataset.focal.{name}", one, 0, 1) for name, one in dataclasses.asdict(dataset.focal).items()]
    if dataset.auto is not None:
        auto = dataset.auto
        parts += [("dataset.auto.min_side", auto.min_side, MIN_CUT, auto.max_side)]
        parts += [("dataset.auto.max_side", auto.max_side, MIN_CUT, MAX_SIDE)]
        parts += [("dataset.auto.min_area", auto.min_area, 1, auto.max_area)]
        parts += [("dataset.auto.threshold", auto.threshold, 0, 1)]
    for name, value, low, high in parts:
        if not low <= value <= high:
            raise UserError(f"{name} is {value:g}, but {low:g} to {high:g} was expected.", field=name)
    if (dataset.split is not None or dataset.focal is not None) and size.to is None:
        raise UserError(
            "Splitting and focal cropping need the size to cut to.",
            hint="Choose a width and a height.",
            field="size.to",
        )


def place(paths: Paths, name: str, field: str) -> Path:
    """The folder of that name, from the data folder when it is no whole path; "~" is a home. It need not be there."""
    try:
        return (paths.data / Path(name.strip()).expanduser()).resolve()
    except (ValueError, RuntimeError, OSError):  # a NUL in it; nobody's home; a loop of links
        raise UserError(f"{field} is {name[:200]!r}, which is no folder's name.", field=field) from None
