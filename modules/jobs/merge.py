"""Jobs of kind "merge": models in, one model file out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from modules.jobs.job import Job
from modules.jobs.queue import Handler
from modules.processing.merging.check import check_sources
from modules.processing.merging.request import merge_request, to_json
from modules.processing.merging.studio import Studio
from modules.processing.progress import Control, Interrupted, Report


def checked(request: Mapping[str, Any], engine: Studio) -> dict[str, Any]:
    """The request as the queue keeps it; UserError when it cannot be granted."""
    found = merge_request(request)
    check_sources(engine, found)
    return to_json(found)


def make_merge_handler(engine: Studio) -> Handler:
    def run(job: Job, control: Control, report: Report) -> dict[str, Any]:
        from modules.processing.merging.run import merge  # which imports torch

        began = time.monotonic()
        try:
            made = merge(engine, merge_request(job.request), control=control, report=report)
        except Interrupted:
            return {"interrupted": True, "seconds": time.monotonic() - began}
        return {
            "file": made.path.name,
            "bytes": made.bytes,
            "info": {"warnings": list(made.notes)},
            "seconds": time.monotonic() - began,
            "interrupted": False,
        }

    return run
