"""Extras from beginning to end: each picture through the operations, its results saved and told."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from PIL import Image

from modules.core.errors import EaselError, NotFoundError, UserError
from modules.core.paths import Paths
from modules.core.settings import Setting, Settings, define
from modules.imaging.inputs import PictureStore, upright
from modules.imaging.metadata import SUFFIXES, open_image, read_metadata
from modules.processing.extras.operation import (
    Models,
    Piece,
    Tools,
    check_operations,
    wanted_operations,
)
from modules.processing.extras.request import ExtrasRequest, Folder, check_ranges, place
from modules.processing.extras.save import Saver
from modules.processing.faces import Faces
from modules.processing.progress import Control, Interrupted, Picture, Progress, Report, no_report
from modules.processing.upscalers import Upscalers

TOLD = 20  # skipped files that are named
CACHED = define(
    Setting(
        "upscaling_max_images_in_cache",
        5,
        "Results of upscalers to remember",
        section="Extras",
        minimum=0,
        maximum=100,
        step=1,
        hint="The same picture at the same size is then there at once.",
    )
)


class Studio(Protocol):
    """The part of modules.processing.engine.Engine that is used here."""

    paths: Paths
    settings: Settings
    inputs: PictureStore
    upscalers: Upscalers
    faces: Faces


@dataclass(frozen=True, kw_only=True)
class ExtrasResult:
    """All results; `done` says of each what was done, by A1111's names. `warnings`: what was skipped, and why."""

    pictures: tuple[Picture, ...]
    done: tuple[dict[str, str], ...]
    warnings: tuple[str, ...]
    seconds: float
    interrupted: bool


class _Skipped(Exception):
    """The picture at work was given up."""


@dataclass(frozen=True)
class _Source:
    name: str
    open: Callable[[], Piece]


@dataclass
class _Run:
    """What one request has come to so far."""

    pictures: list[Picture] = field(default_factory=list)
    done: list[dict[str, str]] = field(default_factory=list)
    saved: int = 0
    warnings: list[str] = field(default_factory=list)
    errors: list[EaselError] = field(default_factory=list)


class Extras:
    """Runs requests, one at a time, over the engine's models; the last results of upscalers are remembered."""

    def __init__(self, engine: Studio) -> None:
        self._engine = engine
        self._cache: OrderedDict[str, Image.Image] = OrderedDict()

    def check(self, request: ExtrasRequest) -> None:
        """UserError names the field that cannot be granted; told before a request is queued."""
        check_ranges(request)
        check_operations(request, self._models())
        source = request.source
        if isinstance(source, Folder):
            self._folder(source)
            place(self._engine.paths, source.output, "source.output")
        elif not source.pictures:
            raise UserError("There is no picture to work on.", hint="Choose one.", field="image")
        else:
            for one in source.pictures:
                self._engine.inputs.path(one.picture)

    def run(
        self, request: ExtrasRequest, *, control: Control | None = None, report: Report = no_report
    ) -> ExtrasResult:
        """Each picture in turn. One that cannot be read is told and left out; EaselError when none can be."""
        self.check(request)
        begun, control, run = time.monotonic(), control or Control(), _Run()
        sources = list(self._sources(request))
        saver = Saver(request=request, settings=self._engine.settings, paths=self._engine.paths, batch=len(sources) > 1)
        interrupted = False
        for index, source in enumerate(sources):
            if control.stopping:
                interrupted = True
                break
            meter = _Meter(report, index, len(sources), begun)
            try:
                for piece in self._work(source, request, self._tools(control, run), meter):
                    self._keep(saver.save(piece), piece, request, run, report)
            except _Skipped:
                continue
            except Interrupted:
                interrupted = True
                break
            except EaselError as error:
                run.errors.append(error)
                run.warnings.append(f"{source.name or 'A picture'} was left out: {error}")
        if run.errors and not run.saved and not interrupted:
            raise run.errors[0]
        if len(run.warnings) > TOLD:
            run.warnings[TOLD:] = [f"{len(run.warnings) - TOLD} more like these."]
        return ExtrasResult(
            pictures=tuple(run.pictures),
            done=tuple(run.done),
            warnings=tuple(run.warnings),
            seconds=time.monotonic() - begun,
            interrupted=interrupted,
        )

    def _models(self) -> Models:
        return Models(upscalers=self._engine.upscalers, faces=self._engine.faces)

    def _tools(self, control: Control, run: _Run) -> Tools:
        def check() -> None:
            if control.interrupted:
                raise Interrupted
            if control.take_skip():
                raise _Skipped

        def upscale(image: Image.Image, name: str, size: tuple[int, int]) -> Image.Image:
            return self._upscale(image, name, size, check)

        return Tools(models=self._models(), upscale=upscale, check=check, tell=run.warnings.append)

    def _upscale(self, image: Image.Image, name: str, size: tuple[int, int], check: Callable[[], None]) -> Image.Image:
        upscaler = self._engine.upscalers.find(name)
        digest = hashlib.sha256(image.tobytes()).hexdigest()
        key = f"{upscaler.name} {image.mode} {image.size} {size} {digest}"
        made = self._cache.pop(key, None) or upscaler.upscale(image, *size, check=check)
        self._cache[key] = made
        while len(self._cache) > self._engine.settings[CACHED]:
            self._cache.popitem(last=False)
        return made

    def _work(self, source: _Source, request: ExtrasRequest, tools: Tools, meter: _Meter) -> list[Piece]:
        pieces = [source.open()]
        steps = wanted_operations(request, self._engine.settings)
        for step, (_, operation) in enumerate(steps):
            meter.at(step / len(steps))
            made: list[Piece] = []
            for piece in pieces:
                tools.check()
                made += operation.apply(piece, request, tools)
            pieces = made
        return pieces

    def _keep(self, picture: Picture, piece: Piece, request: ExtrasRequest, run: _Run, report: Report) -> None:
        run.saved += 1
        if isinstance(request.source, Folder) and not request.source.show:
            return
        run.pictures.append(picture)
        run.done.append({name: str(value) for name, value in piece.fields.items()})
        report(picture)

    def _sources(self, request: ExtrasRequest) -> Iterator[_Source]:
        source, inputs = request.source, self._engine.inputs
        if isinstance(source, Folder):
            folder = self._folder(source)
            paths = sorted(one for one in folder.iterdir() if one.suffix.lower() in SUFFIXES and one.is_file())
            if not paths:
                raise NotFoundError(f"There are no pictures in {folder.name}.", field="source.folder")
            yield from (_Source(path.name, lambda path=path: _piece(open_image(path), path.name)) for path in paths)
            return
        for one in source.pictures:
            yield _Source(one.name, lambda one=one: _piece(inputs.open(one.picture), one.name))

    def _folder(self, source: Folder) -> Path:
        folder = place(self._engine.paths, source.folder, "source.folder")
        if not source.folder.strip() or not folder.is_dir():
            raise NotFoundError(
                f"There is no folder {source.folder.strip()[:200]!r}.",
                hint="Write its whole path.",
                field="source.folder",
            )
        return folder


@dataclass(frozen=True)
class _Meter:
    """Turns pictures into Progress events with a time estimate from those done so far."""

    report: Report
    index: int
    count: int
    begun: float

    def at(self, part: float) -> None:
        """`part` of this picture, 0 to 1."""
        fraction = (self.index + part) / self.count
        passed = time.monotonic() - self.begun
        self.report(
            Progress(
                fraction=fraction,
                stage="extras",
                image=self.index,
                images=self.count,
                batch=self.index,
                batches=self.count,
                eta_s=passed / fraction - passed if self.index else None,
            )
        )


def _piece(image: Image.Image, name: str) -> Piece:
    _, texts = read_metadata(image)
    return Piece(image=upright(image), name=name, texts=texts)
