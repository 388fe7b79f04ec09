"""Handing requests to the queue: the first at once, the rest of a batch as the queue gets to them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

from modules.core.errors import EaselError, NotFoundError, UserError
from modules.gradio_ui.services import UiServices
from modules.processing.requests import Generate

log = logging.getLogger(__name__)
AHEAD = 4  # jobs of one batch that wait: their pictures are read only then
LOOK_S = 0.3


def submit(services: UiServices, requests: Iterator[Generate], tag: str, id: str | None) -> Any:
    """The first job. A request that is refused raises; one later in a batch is left out, and said in the log."""
    first = next(requests, None)
    if first is None:
        raise UserError("None of the pictures can be read.", field="batch")
    job = _submit(services, first, tag, id)
    following = next(requests, None)
    if following is not None:
        said = (services, following, requests, tag, [job.id])
        threading.Thread(target=_feed, args=said, name="batch", daemon=True).start()
    return job


def _submit(services: UiServices, request: Generate, tag: str, id: str | None = None) -> Any:
    services.engine.resolve(request)  # refused before it queues
    return services.queue.submit("generate", request.to_json(), tag=tag, id=id)


def _feed(services: UiServices, request: Generate | None, rest: Iterator[Generate], tag: str, ids: list[str]) -> None:
    """Keep a few jobs waiting until all are handed in. An interrupted one ends the batch."""
    while True:
        states = {one: _state(services, one) for one in ids}
        if "interrupted" in states.values():
            for id in (one for one, state in states.items() if state == "queued"):
                services.queue.cancel(id)
            return
        if request is None and not {"queued", "running"} & {*states.values()}:
            return
        if request is None or [*states.values()].count("queued") >= AHEAD:
            time.sleep(LOOK_S)
            continue
        try:
            ids.append(_submit(services, request, tag).id)
        except EaselError as error:
            log.warning("A picture of the batch is left out: %s", error)
        request = next(rest, None)


def _state(services: UiServices, id: str) -> str:
    try:
        return str(services.queue.get(id).state)
    except NotFoundError:
        return "forgotten"
