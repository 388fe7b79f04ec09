"""Jobs of kind "extras": pictures in, better ones on disk out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from modules.jobs.job import Job
from modules.jobs.queue import Handler
from modules.processing.extras import Extras, ExtrasRequest
from modules.processing.extras.run import Studio
from modules.processing.progress import Control, Report


def make_extras_handler(engine: Studio) -> Handler:
    extras = Extras(engine)

    def run(job: Job, control: Control, report: Report) -> dict[str, Any]:
        made = extras.run(ExtrasRequest.from_json(job.request), control=control, report=report)
        return {
            "pictures": [dataclasses.asdict(one) for one in made.pictures],
            "info": {"extras": list(made.done), "warnings": list(made.warnings)},
            "seconds": made.seconds,
            "interrupted": made.interrupted,
        }

    return run


def checked(request: Mapping[str, Any], engine: Studio) -> dict[str, Any]:
    """The request as it is queued; UserError when it cannot be granted."""
    found = ExtrasRequest.from_json(request)
    Extras(engine).check(found)
    return found.to_json()
