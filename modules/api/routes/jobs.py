"""/api/v1/jobs: ask for pictures and come back later; watch, stop, reorder, retry; the pictures as they were saved."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal

import anyio
import anyio.to_thread
from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from modules.api.app import SafeJSON, plain
from modules.api.limits import check_extras_limits, check_limits
from modules.api.models import check_carried
from modules.api.pictures import keep_pictures, keeper
from modules.api.read_scripts import check_script_limits
from modules.api.services import Services
from modules.core.errors import UserError
from modules.jobs import extras as extras_jobs
from modules.jobs import merge as merge_jobs
from modules.jobs.events import JobEvent, Subscription
from modules.jobs.job import Job, JobState
from modules.jobs.pictures import HEADERS, picture_json, picture_path, picture_type
from modules.jobs.train import checked
from modules.processing.progress import Picture, Preview
from modules.processing.requests import Generate

HEARTBEAT_S = 15  # an empty comment, so that nobody between takes the line for dead
WATCHERS = 500  # streams that look at once, on threads of their own; more of them look in turn
LOOK_S = 1.0  # a closed connection is noticed this soon
QUIET = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class NewJob(BaseModel):
    """`request`: of "generate" a modules.processing.requests.Generate as JSON, of "extras" a
    modules.processing.extras.ExtrasRequest, of "merge" one of modules.processing.merging.request, of "train"
    {"config": a training's settings} or {"config_file": name in the data folder}. The same `id` again gives the same
    job.

    Pictures (source.images, source.mask.image and after.hires.first of "generate", source.pictures of "extras") are
    base64, data URIs, or references that an earlier job told."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["generate", "extras", "train", "merge"] = "generate"
    request: dict[str, Any]
    id: str | None = None
    tag: str = Field(default="api", max_length=100)
    front: bool = False


class Move(BaseModel):
    """`places`: below 0 is earlier."""

    places: int = Field(ge=-(2**31), lt=2**31)


class Interrupt(BaseModel):
    """`now` false: after the current batch."""

    now: bool = True


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])
    _add_reading(router, services)
    _add_changing(router, services)
    _add_files(router, services)
    return router


def _add_reading(router: APIRouter, services: Services) -> None:
    queue = services.queue
    looking = anyio.CapacityLimiter(WATCHERS)

    @router.get("")
    def list_jobs(
        state: list[JobState] = Query(default=[]),  # noqa: B008 FastAPI reads it so
        tag: str | None = None,
        limit: int = Query(default=50, ge=1, le=1000),
        offset: int = Query(default=0, ge=0, le=2**31),
    ) -> dict[str, Any]:
        """Oldest first; `limit` and `offset` count from the newest."""
        places = queue.places()
        found = queue.list(states=tuple(state), tag=tag, limit=limit, offset=offset)
        return {"jobs": [_job_json(services, job, places) for job in found], "counts": queue.counts()}

    @router.get("/{id}")
    def get_job(id: str) -> dict[str, Any]:
        return _job_json(services, queue.get(id), queue.places())

    @router.get("/{id}/events")
    def events(id: str, last_event_id: str = Header(default="")) -> Response:
        """Server-sent events until the job is finished. Last-Event-ID takes up where a lost connection ended."""
        after = int(last_event_id) if re.fullmatch(r"[0-9]{1,18}", last_event_id) else None
        watched = queue.subscribe(id, after)
        if after is not None and watched.closed:
            return Response(status_code=204)  # all was told: tells an EventSource not to come again
        return StreamingResponse(_stream(watched, looking), media_type="text/event-stream", headers=QUIET)


def _add_changing(router: APIRouter, services: Services) -> None:
    queue = services.queue

    @router.post("", status_code=202)
    def submit(body: NewJob) -> Response:
        """202 with the job. 422 names the field that cannot be granted; 503 when too many wait."""
        try:
            check_carried(body.model_dump())
        except ValueError as error:
            raise UserError(str(error), field="request") from error
        request = _granted(services, body)
        job = queue.submit(body.kind, request, tag=body.tag, id=body.id, front=body.front)
        headers = {"Location": f"/api/v1/jobs/{job.id}"}
        return SafeJSON(_job_json(services, job, queue.places()), status_code=202, headers=headers)

    @router.delete("")
    def clear() -> dict[str, Any]:
        """Forget all finished jobs, and delete their pictures that were not to be saved."""
        queue.clear()
        return {"counts": queue.counts()}

    @router.delete("/{id}")
    def delete(id: str) -> dict[str, Any]:
        """Take the job back: at once while it waits, at its next step while it runs. A finished one is forgotten.

        The answer is the job as it was last.
        """
        job = queue.get(id)
        if not job.state.terminal:
            return _job_json(services, queue.cancel(id), queue.places())
        last = _job_json(services, job, {})
        queue.forget(id)
        return last

    @router.post("/{id}/retry", status_code=202)
    def retry(id: str) -> Response:
        return SafeJSON(_job_json(services, queue.retry(id), queue.places()), status_code=202)

    @router.post("/{id}/interrupt")
    def interrupt(id: str, body: Interrupt | None = None) -> dict[str, Any]:
        queue.interrupt(id, now=body is None or body.now)
        return _job_json(services, queue.get(id), queue.places())

    @router.post("/{id}/skip")
    def skip(id: str) -> dict[str, Any]:
        queue.skip(id)
        return _job_json(services, queue.get(id), queue.places())

    @router.post("/{id}/move")
    def move(id: str, body: Move) -> dict[str, Any]:
        return _job_json(services, queue.move(id, body.places), queue.places())


def _add_files(router: APIRouter, services: Services) -> None:
    @router.get("/{id}/pictures/{index}")
    def picture(id: str, index: int) -> FileResponse:
        """The saved file itself, with its metadata."""
        path = picture_path(services.queue.snapshot(id).pictures, index)
        return FileResponse(
            path,
            media_type=picture_type(path),
            filename=path.name,
            headers=HEADERS,
            content_disposition_type="inline",
        )


async def _stream(watched: Subscription, looking: anyio.CapacityLimiter) -> AsyncIterator[str]:
    silent_s = 0.0
    try:
        while not watched.closed:
            event = await anyio.to_thread.run_sync(watched.get, LOOK_S, limiter=looking, abandon_on_cancel=True)
            if event is not None:
                silent_s = 0.0
                data = json.dumps(plain(_event_json(event)), ensure_ascii=True)
                yield f"id: {event.number}\nevent: {event.name}\ndata: {data}\n\n"
                continue
            silent_s += LOOK_S
            if silent_s >= HEARTBEAT_S:
                silent_s = 0.0
                yield ": still here\n\n"
    finally:
        watched.close()


def _granted(services: Services, body: NewJob) -> dict[str, Any]:
    """The request as it is queued; UserError when it cannot be granted."""
    if body.kind == "train":
        return checked(body.request, services.paths)
    if body.kind == "merge":
        return merge_jobs.checked(body.request, services.engine)
    kept = keep_pictures(body.request, keeper(services.engine.inputs, services.settings))
    if body.kind == "extras":
        extras = extras_jobs.checked(kept, services.engine)
        check_extras_limits(extras, services.engine.inputs, services.settings)
        return extras.to_json()
    request = Generate.from_json(kept)
    check_limits(request, services.settings)
    services.engine.resolve(request)
    check_script_limits(request, services.engine)
    return request.to_json()


def _event_json(event: JobEvent) -> dict[str, Any]:
    value = event.value
    if isinstance(value, Job):
        return _plain_job(value)
    if isinstance(value, Picture):
        return picture_json(value)
    if isinstance(value, Preview):
        return {"mime": value.mime, "step": value.step, "data": base64.b64encode(value.data).decode("ascii")}
    return dataclasses.asdict(value)


def _job_json(services: Services, job: Job, places: Mapping[str, int]) -> dict[str, Any]:
    """The job with its place in the queue, its progress and its pictures."""
    shown = services.queue.snapshot(job.id)
    return {
        **_plain_job(job),
        "place": places.get(job.id),
        "progress": dataclasses.asdict(shown.progress) if shown.progress else None,
        "pictures": [picture_json(one) for one in shown.pictures],
    }


def _plain_job(job: Job) -> dict[str, Any]:
    """Pictures by name, never by path; an error without its trace, which names folders of this machine."""
    result = dict(job.result) if job.result is not None else None
    if result is not None and "pictures" in result:
        result["pictures"] = [picture_json(one) for one in result["pictures"]]
    return {
        "id": job.id,
        "kind": job.kind,
        "tag": job.tag,
        "state": job.state.value,
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "attempts": job.attempts,
        "request": dict(job.request),
        "error": {name: told for name, told in job.error.items() if name != "details"} if job.error else None,
        "result": result,
    }
