"""A request of A1111's kind from its arrival to its reply: read, queued, waited for."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.to_thread

from modules.api.convert import in_their_words, read_request, reply_of
from modules.api.from_infotext import fill_from_infotext
from modules.api.models import Asked
from modules.api.read_scripts import check_script_limits
from modules.api.services import Services
from modules.core.errors import UserError
from modules.jobs.job import Job
from modules.processing.requests import Generate

WAITING = 1000  # calls that wait at once, on threads of their own: progress and interrupt must still find one


class Generator:
    """Makes the pictures that a body asks for. One for each route."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._waiting = anyio.CapacityLimiter(WAITING)

    async def reply(self, body: Asked) -> dict[str, Any]:
        """{images, parameters, info, warnings} once they are made; force_task_id is the job's id."""
        body, job, warnings = await anyio.to_thread.run_sync(_submit, self._services, body)
        done = await anyio.to_thread.run_sync(
            self._services.queue.wait, job.id, None, limiter=self._waiting, abandon_on_cancel=True
        )
        return await anyio.to_thread.run_sync(reply_of, body, done, warnings)


def _submit(services: Services, body: Asked) -> tuple[Asked, Job, list[str]]:
    """What cannot be granted is told now, before it waits in the queue."""
    with in_their_words():
        body, warnings = fill_from_infotext(body, services.engine.catalog, services.engine.networks)
        request, more = read_request(body, services.settings, services.engine.inputs)
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
