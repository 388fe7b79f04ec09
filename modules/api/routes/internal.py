"""/internal: the liveness answer, and the progress of one job by its id."""

from __future__ import annotations

import base64
from typing import Any

from fastapi import APIRouter

from modules.api.models import ProgressQuestion
from modules.api.services import Services
from modules.core.errors import NotFoundError
from modules.processing.sysinfo import system_report


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/internal", tags=["internal"])

    @router.get("/ping")
    def ping() -> dict[str, Any]:
        return {}

    @router.get("/pending-tasks")
    def pending() -> dict[str, Any]:
        waiting = [job.id for job in services.queue.list() if _state(job) in ("queued", "running")]
        return {"size": len(waiting), "tasks": waiting}

    @router.post("/progress")
    def progress(body: ProgressQuestion) -> dict[str, Any]:
        try:
            job = services.queue.get(body.id_task)
        except NotFoundError:
            job = None
        state = _state(job) if job else ""
        shot = services.queue.snapshot(job.id) if job else None
        now = getattr(shot, "progress", None)
        preview: Any = getattr(shot, "preview", None)
        wanted = preview is not None and body.live_preview and preview.step != body.id_live_preview
        fresh: Any = preview if wanted else None
        return {
            "active": state == "running",
            "queued": state == "queued",
            "completed": state not in ("", "queued", "running"),
            "progress": now.fraction if now else None,
            "eta": now.eta_s if now else None,
            "live_preview": _data_uri(fresh) if fresh else None,
            "id_live_preview": fresh.step if fresh else body.id_live_preview,
            "textinfo": now.text if now else ("In queue..." if state == "queued" else None),
        }

    @router.get("/sysinfo")
    def sysinfo() -> dict[str, Any]:
        report = system_report(services.options, services.settings, services.paths.data)
        return {**report, "Checkpoint": services.engine.status().model}

    return router


def _state(job: Any) -> str:
    return str(getattr(job.state, "value", job.state))


def _data_uri(preview: Any) -> str:
    return f"data:{preview.mime};base64,{base64.b64encode(preview.data).decode('ascii')}"
