"""One thing that can be done to a picture; the files in operations/ register theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from PIL import Image

from modules.core.registry import Registry
from modules.core.settings import Setting, Settings, define
from modules.processing.extras.request import ExtrasRequest
from modules.processing.faces import Faces
from modules.processing.upscalers import Check, Upscalers

ORDER = define(
    Setting(
        "postprocessing_operation_order",
        list[str](),
        "Operations of Extras that go first, in this order",
        section="Extras",
        hint="Names such as GFPGAN or Create flipped copies. The others follow in their usual order.",
    )
)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A picture at work. `texts`: what its file said. `fields`: what was done, by A1111's names.

    `tags` tell several results of one picture apart in their files' names.
    """

    image: Image.Image
    name: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, object] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class Models:
    """What is there to work with."""

    upscalers: Upscalers
    faces: Faces


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What operations work with. `upscale` keeps its last results; `tell` says what a person should know.

    `check` may raise Interrupted.
    """

    models: Models
    upscale: Callable[[Image.Image, str, tuple[int, int]], Image.Image]
    check: Check
    tell: Callable[[str], None]


Apply = Callable[[Piece, ExtrasRequest, Tools], Sequence[Piece]]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """`order`: place among the others, low ones first. `wanted`: whether a request asks for it."""

    order: int
    wanted: Callable[[ExtrasRequest], bool]
    apply: Apply
    check: Callable[[ExtrasRequest, Models], None] = lambda request, models: None  # before it is queued


operations: Registry[Operation] = Registry("operation")


def wanted_operations(request: ExtrasRequest, settings: Settings) -> list[tuple[str, Operation]]:
    """Those that the request asks for, in its order, then the setting's, then their own."""
    first = [operations.canonical(name) for name in request.order]
    first += [operations.canonical(name) for name in settings[ORDER] if name in operations]
    place = {name: index for index, name in reversed(list(enumerate(first)))}
    found = [(name, one) for name, one in operations.items() if one.wanted(request)]
    return sorted(found, key=lambda one: (place.get(one[0], len(first)), one[1].order))


def check_operations(request: ExtrasRequest, models: Models) -> None:
    """UserError when an operation cannot do what is asked: a name that is not known, a model that is not here."""
    for name in request.order:
        operations.canonical(name)
    for one in operations:
        if one.wanted(request):
            one.check(request, models)
