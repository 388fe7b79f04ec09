"""/internal: the liveness answer, and the progress of one job by its id."""

from __future__ import annotations

import base64
from typing import Any

from fastapi import APIRouter

from modules.api.models import ProgressQuestion
from modules.api.services import Services
from modules.core.errors import NotFoundError
from modules.jobs.job import JobState
from modules.jobs.snapshot import JobSnapshot
from modules.processing.progress import Preview
from modules.processing.sysinfo import system_report


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/internal", tags=["internal"])

    @router.get("/ping")
    def ping() -> dict[str, Any]:
        return {}

    @router.get("/pending-tasks")
    def pending() -> dict[str, Any]:
        waiting = [job.id for job in services.queue.list(states=(JobState.running, JobState.queued))]
        return {"size": len(waiting), "tasks": waiting}

    @router.post("/progress")
    def progress(body: ProgressQuestion) -> dict[str, Any]:
        try:
            job = services.queue.get(body.id_task)
        except NotFoundError:
            job = None
        state = job.state if job else None
        shot = services.queue.snapshot(job.id) if job else JobSnapshot()
        now, preview = shot.progress, shot.preview
        wanted = preview is not None and body.live_preview and shot.preview_id != body.id_live_preview
        fresh = preview if wanted else None
        return {
            "active": state is JobState.running,
            "queued": state is JobState.queued,
            "completed": state is not None and state.terminal,
            "progress": now.fraction if now else None,
            "eta": now.eta_s if now else None,
            "live_preview": _data_uri(fresh) if fresh else None,
            "id_live_preview": shot.preview_id if fresh else body.id_live_preview,
            "textinfo": now.text or None if now else ("In queue..." if state is JobState.queued else None),
        }

    @router.get("/sysinfo")
    def sysinfo() -> dict[str, Any]:
        report = system_report(services.options, services.settings, services.paths.data)
        return {**report, "Checkpoint": services.engine.status().model}

    return router


def _data_uri(preview: Preview) -> str:
    return f"data:{preview.mime};base64,{base64.b64encode(preview.data).decode('ascii')}"
