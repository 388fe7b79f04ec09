"""GET /sdapi/v1/progress, POST interrupt and skip: the running job, whoever started it."""

from __future__ import annotations

import base64
import time
from typing import Any

from fastapi import APIRouter

from modules.api.services import Services
from modules.jobs.snapshot import JobSnapshot
from modules.processing.progress import Progress

NOT_BEGUN = Progress(fraction=0.0, stage="load", images=0, batches=0)


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/sdapi/v1", tags=["generation"])
    queue = services.queue

    @router.get("/progress")
    def progress(skip_current_image: bool = False) -> dict[str, Any]:
        """All of it at rest when nothing runs. `job` is the running job's id; `job_no` and `job_count` are batches."""
        job = queue.running()
        shot = queue.snapshot(job.id) if job else JobSnapshot()
        now = shot.progress or NOT_BEGUN
        shown = None if skip_current_image else shot.preview
        begun = time.localtime(job.started) if job else None
        return {
            "progress": now.fraction,
            "eta_relative": now.eta_s or 0.0,
            "state": {
                "skipped": shot.skipped,
                "interrupted": shot.interrupted,
                "stopping_generation": shot.stopping,
                "job": job.id if job else "",
                "job_count": now.batches,
                "job_timestamp": time.strftime("%Y%m%d%H%M%S", begun) if begun else "0",
                "job_no": now.batch,
                "sampling_step": now.step,
                "sampling_steps": now.steps,
            },
            "current_image": base64.b64encode(shown.data).decode("ascii") if shown else None,
            "textinfo": now.text or None,
        }

    @router.post("/interrupt")
    def interrupt() -> dict[str, Any]:
        """Stop the running job at its next step. Its pictures so far are kept."""
        if job := queue.running():
            queue.interrupt(job.id)
        return {}

    @router.post("/skip")
    def skip() -> None:
        """Give up the running job's current batch and go on with the next."""
        if job := queue.running():
            queue.skip(job.id)

    return router
