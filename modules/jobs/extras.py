"""Jobs of kind "extras": pictures in, better ones on disk out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modules.core.errors import UserError
from modules.core.files import inside
from modules.core.paths import Paths
from modules.jobs.job import Job
from modules.jobs.queue import Handler
from modules.processing.extras import Extras, ExtrasRequest
from modules.processing.extras.request import Folder, place
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


def checked(request: Mapping[str, Any], engine: Studio) -> ExtrasRequest:
    """The request of someone elsewhere; UserError when it cannot be granted, or leads out of the data folder."""
    found = ExtrasRequest.from_json(request)
    stay_inside(found, engine.paths)
    Extras(engine).check(found)
    return found


def stay_inside(request: ExtrasRequest, paths: Paths) -> None:
    """UserError when a folder is read that is not in the data folder, or written that is not in outputs."""
    if not isinstance(request.source, Folder):
        return
    for field, name, roots in (
        ("source.folder", request.source.folder, (paths.data, paths.outputs)),
        ("source.output", request.source.output or paths.outputs, (paths.outputs,)),
    ):
        if not any(_holds(root, place(paths, str(name), field)) for root in roots):
            allowed = "the data folder" if field == "source.folder" else "outputs"
            raise UserError(
                f"{field} is {str(name)[:200]!r}, which is not in {allowed}.",
                hint="Other folders are for whoever sits at the machine that Easel runs on.",
                field=field,
            )


def _holds(root: Path, path: Path) -> bool:
    try:
        inside(root, path)
    except UserError:
        return False
    return True
