"""One run of a script: requests made one after the other, with one progress, and one result of all of them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from modules.core.errors import EaselError
from modules.imaging.infotext import add_fields
from modules.processing.hooks import FINISHED, FinishedImage
from modules.processing.info import Result, join_infos
from modules.processing.papers import infotext_fields, write_infotext
from modules.processing.progress import Control, Event, Picture, Progress, Report
from modules.processing.requests import Generate, ScriptCall
from modules.processing.resolve import changed_settings
from modules.processing.scripts.fields import change
from modules.processing.scripts.script import ARGUMENTS, Wish, read_wish

if TYPE_CHECKING:
    from modules.processing.engine import Engine

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Call:
    """What a script's `run` is given. `count` requests are expected; `made` are the results so far.

    `whole`: the request with its script that makes all of it again, but for settings.
    """

    wish: Wish
    whole: Generate
    control: Control
    report: Report
    count: int
    made: list[Result] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _failed: list[Exception] = field(default_factory=list)
    _kept: int = 0
    _begun: float = field(default_factory=time.monotonic)

    @property
    def stopping(self) -> bool:
        return self.control.stopping

    def make(
        self, request: Generate, title: str = "", *, show: bool = True, fields: Mapping[str, object] | None = None
    ) -> Result:
        """Run one request. Without pictures when it failed, was skipped, or the job is to stop; what failed is told.

        `show`: its pictures are the job's; else they are the script's to `take`, and are not saved. `fields`: what the
        script adds to their infotexts.
        """
        done = len(self.made)
        after = dataclasses.replace(request.after, script=None, save=request.after.save and show)
        request = dataclasses.replace(request, after=after)
        result = Result(pictures=(), info={}, interrupted=self.stopping)
        if not self.stopping:
            try:
                with self._telling(fields or {}):
                    result = self.wish.engine.run(
                        request, control=self.control, report=lambda event: self._tell(event, done, title, show)
                    )
            except Exception as error:
                if not isinstance(error, EaselError):
                    log.exception("%s failed.", title or "A part of a script")
                self._failed.append(error)
                self.warnings.append(f"{title}: {error}" if title else str(error))
        self.made.append(result)
        return result

    def take(self, result: Result) -> list[tuple[Image.Image, str]]:
        """The pictures of a request that was not shown, and their infotexts; the files, which no one knows of, go."""
        taken = [(one.open(), one.infotext) for one in result.pictures if one.kind == "sample"]
        for one in result.pictures:
            Path(one.path).unlink(missing_ok=True)
        return taken

    @contextlib.contextmanager
    def _telling(self, fields: Mapping[str, object]) -> Iterator[None]:
        """Infotexts have more fields, before the program's version."""

        def add(finished: FinishedImage) -> FinishedImage:
            last = {name: one for name, one in finished.fields.items() if name == "Version"}
            told = {name: one for name, one in finished.fields.items() if name not in last}
            return dataclasses.replace(finished, fields={**told, **fields, **last})

        stop = self.wish.engine.hooks.on(FINISHED, add, owner="script")
        try:
            yield
        finally:
            stop()

    def keep(self, image: Image.Image, request: Generate, infotext: str, grid: str = "") -> Picture:
        """Save a picture of the script's own making as one of `request`'s. `grid`: a sheet, as <grid>-<number>.

        It carries the request that makes all of it again; kept pictures come first in the result, in their order.
        """
        from modules.processing.stages.finish import Finisher

        engine = self.wish.engine
        plan, settings = engine.resolve(request), engine.settings.with_overrides(request.overrides)
        model = self.whole.model
        whole = dataclasses.replace(
            self.whole,
            model=dataclasses.replace(model, checkpoint=model.checkpoint or plan.model.checkpoint.title),
            overrides={**changed_settings(settings), **self.whole.overrides},
        )
        finisher = Finisher(plan=plan, settings=settings, paths=engine.paths, report=self.report)
        kept = finisher.add_own(image, infotext, self._kept, whole, grid)
        self._kept += 1
        return kept

    def keep_sheet(self, image: Image.Image, grid: str) -> Picture:
        """`keep`, for a sheet of all that was asked: its infotext tells the script's own arguments."""
        call = self.whole.after.script
        assert call is not None
        request = change(self.wish.request, "shape.batch_count", 1)
        plan = self.wish.engine.resolve(request)
        settings = self.wish.engine.settings.with_overrides(request.overrides)
        told = {"Script": call.name, ARGUMENTS: json.dumps(dict(call.arguments), ensure_ascii=False)}
        infotext = write_infotext(plan.pictures[0], infotext_fields(plan, plan.pictures[0], settings))
        return self.keep(image, request, add_fields(infotext, told), grid)

    def result(self, pictures: Sequence[Picture] | None = None) -> Result:
        """All that was made as one result; `pictures` instead of those of the requests, in the order given.

        Raises the first error when nothing was made at all.
        """
        told = [one for made in self.made for one in made.pictures] if pictures is None else list(pictures)
        if not told and self._failed:
            raise self._failed[0]
        info = join_infos([one.info for one in self.made if one.info], told, self.warnings)
        return Result(
            pictures=tuple(told),
            info=info,
            seconds=time.monotonic() - self._begun,
            peak_bytes=max((one.peak_bytes for one in self.made), default=0),
            interrupted=any(one.interrupted for one in self.made),
        )

    def _tell(self, event: Event, done: int, title: str, show: bool) -> None:
        """A request's progress as a part of the whole job's."""
        if isinstance(event, Progress):
            count = max(self.count, done + 1)
            fraction = (done + event.fraction) / count
            passed = time.monotonic() - self._begun
            event = dataclasses.replace(
                event,
                fraction=fraction,
                image=done * event.images + event.image,
                images=count * event.images,
                batch=done * event.batches + event.batch,
                batches=count * event.batches,
                eta_s=passed / fraction - passed if fraction > 0 and event.eta_s is not None else None,
                text=title,
            )
        if show or not isinstance(event, Picture):
            self.report(event)


def run_script(engine: Engine, request: Generate, control: Control, report: Report) -> Result:
    """Run the script that a request names."""
    script, wish = read_wish(request, engine)
    after = dataclasses.replace(wish.request.after, script=ScriptCall(name=script.title, arguments=wish.arguments))
    whole = dataclasses.replace(wish.request, after=after)
    return script.run(Call(wish=wish, whole=whole, control=control, report=report, count=script.expected(wish)))
