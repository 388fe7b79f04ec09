"""Jobs of kind "generate": a request as JSON in, pictures on disk out."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

from modules.jobs.job import Job
from modules.jobs.queue import Handler
from modules.processing.info import Result
from modules.processing.progress import Control, Report
from modules.processing.requests import Generate


class Runs(Protocol):
    """The part of modules.processing.engine.Engine that is used here."""

    def run(self, request: Generate, *, control: Control | None = ..., report: Report = ...) -> Result: ...


def make_generate_handler(engine: Runs) -> Handler:
    def generate(job: Job, control: Control, report: Report) -> dict[str, Any]:
        made = engine.run(Generate.from_json(job.request), control=control, report=report)
        return {
            "pictures": [dataclasses.asdict(one) for one in made.pictures],
            "info": made.info,
            "seconds": made.seconds,
            "peak_bytes": made.peak_bytes,
            "interrupted": made.interrupted,
        }

    return generate
