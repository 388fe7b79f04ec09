"""GET /sdapi/v1/progress, POST interrupt and skip: the running job, whoever started it."""

from __future__ import annotations

import base64
from typing import Any

from fastapi import APIRouter

from modules.api.services import Services


def running(services: Services) -> Any | None:
    """The job at work, if any."""
    return next(
        (job for job in services.queue.list() if str(getattr(job.state, "value", job.state)) == "running"), None
    )


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/sdapi/v1", tags=["generation"])

    @router.get("/progress")
    def progress(skip_current_image: bool = False) -> dict[str, Any]:
        job = running(services)
        shot = services.queue.snapshot(job.id) if job else None
        now = getattr(shot, "progress", None)
        preview: Any = getattr(shot, "preview", None)
        state = {
            "skipped": False,
            "interrupted": False,
            "stopping_generation": False,
            "job": job.id if job else "",
            "job_count": now.images if now else 0,
            "job_timestamp": str(job.started or "") if job else "0",
            "job_no": now.image if now else 0,
            "sampling_step": now.step if now else 0,
            "sampling_steps": now.steps if now else 0,
        }
        shown: Any = None if skip_current_image else preview
        return {
            "progress": now.fraction if now else 0.0,
            "eta_relative": (now.eta_s or 0.0) if now else 0.0,
            "state": state,
            "current_image": base64.b64encode(shown.data).decode("ascii") if shown else None,
            "textinfo": now.text if now else None,
        }

    @router.post("/interrupt")
    def interrupt() -> dict[str, Any]:
        job = running(services)
        if job:
            services.queue.interrupt(job.id)
        return {}

    @router.post("/skip")
    def skip() -> None:
        job = running(services)
        if job:
            services.queue.skip(job.id)

    return router
