"""Jobs as the page sees them: plain JSON, pictures by index, never a path."""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from modules.gradio_ui.services import UiServices
from modules.jobs.pictures import picture_json
from modules.processing.passes import hires_sizes
from modules.processing.requests import Hires, read_dataclass


def jobs_json(services: UiServices, jobs: Sequence[Any], everyone: Sequence[Any]) -> list[dict[str, Any]]:
    """`jobs` with their place among `everyone` in the queue, and when their turn comes."""
    waiting = [one.id for one in everyone if one.state == "queued"]
    starts = expected_starts(everyone, lambda job: remaining_s(services, job)) if waiting else {}
    return [
        job_json(services, one, place=waiting.index(one.id) + 1, starts_in_s=starts.get(one.id))
        if one.state == "queued"
        else job_json(services, one)
        for one in jobs
    ]


def remaining_s(services: UiServices, job: Any) -> float | None:
    progress = services.queue.snapshot(job.id).progress
    return None if progress is None else progress.eta_s


def expected_starts(jobs: Sequence[Any], remaining: Callable[[Any], float | None]) -> dict[str, float | None]:
    """Seconds until each queued job begins, from what is left of the running one and how long jobs took so far.

    The time of a job is taken to grow with pixels, steps and pictures. None behind a job whose time is not known:
    a training that has told none, or pictures while nothing was measured yet.
    """
    measured = [
        float(one.result["seconds"]) / size
        for one in jobs
        if isinstance(one.result, Mapping) and one.result.get("seconds") and (size := work(one))
    ][-5:]
    rate = sum(measured) / len(measured) if measured else None

    def after(clock: float | None, job: Any, left: float | None) -> float | None:
        size = work(job)
        if left is None and rate is not None and size is not None:
            left = size * rate
        return None if clock is None or left is None else clock + left

    clock: float | None = 0.0
    for one in jobs:
        if one.state == "running":
            clock = after(clock, one, remaining(one))
    starts: dict[str, float | None] = {}
    for one in jobs:
        if one.state == "queued":
            starts[one.id] = clock
            clock = after(clock, one, None)
    return starts


def work(job: Any) -> float | None:
    """Pixels times steps of all pictures of a job; None where that does not measure it, as of a training."""
    request = job.request if isinstance(job.request, Mapping) else {}
    shape, sampling = request.get("shape"), request.get("sampling")
    if not isinstance(shape, Mapping) or not isinstance(sampling, Mapping):
        return None
    sizes = (shape.get("width", 0), shape.get("height", 0), shape.get("batch_size", 1), shape.get("batch_count", 1))
    return math.prod(float(one) for one in (*sizes, sampling.get("steps", 0)))


def job_json(
    services: UiServices, job: Any, *, place: int | None = None, starts_in_s: float | None = None
) -> dict[str, Any]:
    """One job with its progress and pictures. `place` in the queue counts from 1."""
    shot = services.queue.snapshot(job.id)
    progress = shot.progress
    request = job.request if isinstance(job.request, Mapping) else {}
    prompt = request.get("prompt") or {}
    return {
        "id": job.id,
        "kind": job.kind,
        "tag": job.tag,
        "state": str(job.state),
        "place": place,
        "starts_in_s": starts_in_s,
        "prompt": str(prompt.get("positive", "")) if isinstance(prompt, Mapping) else "",
        "shape": final_shape(request),
        "training": training_json(job),
        "extras": extras_name(job),
        "merge": merge_json(job),
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "error": error_json(job.error),
        "progress": dataclasses.asdict(progress) if progress is not None else None,
        "preview": preview_mark(shot.preview),
        "pictures": [picture_json(one) for one in shot.pictures],
        "result": result_json(job),
        "requeued": bool(getattr(job, "requeued", False)),
    }


def final_shape(request: Mapping[str, Any]) -> dict[str, Any] | None:
    """The shape that is asked for, with the size after its second pass; nothing for jobs without pictures."""
    shape, after = request.get("shape"), request.get("after")
    if not isinstance(shape, Mapping):
        return None
    hires = after.get("hires") if isinstance(after, Mapping) else None
    if not hires:
        return dict(shape)
    _, (width, height) = hires_sizes(shape["width"], shape["height"], read_dataclass(Hires, hires))
    return {**shape, "width": width, "height": height}


def training_json(job: Any) -> dict[str, Any] | None:
    """What a training is called, and how far it came; nothing for other kinds of job."""
    if job.kind != "train":
        return None
    run = job.request["config"]["run"]
    result = job.result if isinstance(job.result, Mapping) else {}
    return {
        "name": Path(run["folder"]).name,
        "steps": run["steps"],
        "step": result.get("step"),
        "metrics": dict(result.get("metrics", {})),
    }


def extras_name(job: Any) -> str | None:
    """What is worked on: a folder, or pictures by their files' names; nothing for other kinds of job."""
    if job.kind != "extras":
        return None
    source = job.request["source"]
    if source["kind"] == "folder":
        return Path(source["folder"]).name
    names = [Path(one["name"]).name for one in source["pictures"]]
    return ", ".join([one for one in names if one][:3]) or str(len(names))


def merge_json(job: Any) -> dict[str, Any] | None:
    """What is merged, and the file that came of it; nothing for other kinds of job."""
    if job.kind != "merge":
        return None
    request, result = job.request, job.result if isinstance(job.result, Mapping) else {}
    names = [request.get(one) for one in ("primary", "secondary", "tertiary", "tuned", "base")]
    names += [one["name"] for one in request.get("networks", ())]
    return {
        "kind": request["kind"],
        "what": request["saving"]["name"] or ", ".join(one for one in names if one),
        "file": result.get("file"),
        "bytes": result.get("bytes"),
    }


def result_json(job: Any) -> dict[str, Any]:
    result = job.result if isinstance(job.result, Mapping) else {}
    info = result.get("info")
    warnings = info.get("warnings", []) if isinstance(info, Mapping) else []
    done = info.get("extras") if isinstance(info, Mapping) else None
    return {
        "seconds": result.get("seconds"),
        "peak_bytes": result.get("peak_bytes"),
        "warnings": warnings,
        "extras": done,
    }


def error_json(error: Any) -> dict[str, str] | None:
    """What happened, what to do, where, and the details to copy."""
    if not error:
        return None
    if isinstance(error, Mapping):
        return {key: str(error.get(key) or "") for key in ("message", "hint", "stage", "details")}
    return {"message": str(error), "hint": "", "stage": "", "details": str(error)}


def preview_mark(preview: Any) -> str | None:
    """Changes whenever the preview does, so that the page fetches each preview once."""
    return None if preview is None else f"{preview.step}-{len(preview.data)}-{zlib.crc32(preview.data):x}"
