"""POST /sdapi/v1/txt2img: blocks until the pictures are made."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.to_thread
from fastapi import APIRouter

from modules.api.convert import in_their_words, read_txt2img, reply_of
from modules.api.from_infotext import fill_from_infotext
from modules.api.models import Txt2Img
from modules.api.read_scripts import check_script_limits
from modules.api.services import Services
from modules.core.errors import UserError
from modules.jobs.job import Job
from modules.processing.requests import Generate

WAITING = 1000  # calls that wait at once, on threads of their own: progress and interrupt must still find one


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/sdapi/v1", tags=["generation"])
    waiting = anyio.CapacityLimiter(WAITING)

    @router.post("/txt2img")
    async def txt2img(body: Txt2Img) -> dict[str, Any]:
        """{images, parameters, info, warnings} once they are made; force_task_id is the job's id."""
        body, job, warnings = await anyio.to_thread.run_sync(_submit, services, body)
        done = await anyio.to_thread.run_sync(
            services.queue.wait, job.id, None, limiter=waiting, abandon_on_cancel=True
        )
        return await anyio.to_thread.run_sync(reply_of, body, done, warnings)

    return router


def _submit(services: Services, body: Txt2Img) -> tuple[Txt2Img, Job, list[str]]:
    """What cannot be granted is told now, before it waits in the queue."""
    with in_their_words():
        body, warnings = fill_from_infotext(body, services.engine.catalog)
        request, more = read_txt2img(body, services.settings)
        services.engine.resolve(request)
        check_script_limits(request, services.engine)
    try:
        job = services.queue.submit("generate", request.to_json(), tag="api", id=body.force_task_id)
    except UserError as error:
        raise UserError(error.message, hint=error.hint, field="force_task_id") from error
    if Generate.from_json(job.request) != request:
        raise UserError(
            f"force_task_id {job.id!r} names a job that was asked for something else.",
            hint="Send another id with every new request.",
            field="force_task_id",
        )
    return body, job, [*warnings, *more]
