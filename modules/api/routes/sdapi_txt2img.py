"""POST /sdapi/v1/txt2img: blocks until the pictures are made."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter

from modules.api.convert import read_txt2img, reply_of
from modules.api.models import Txt2Img
from modules.api.services import Services
from modules.core.errors import UserError


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/sdapi/v1", tags=["generation"])

    @router.post("/txt2img")
    def txt2img(body: Txt2Img) -> dict[str, Any]:
        request, warnings = read_txt2img(body, services.settings)
        services.engine.resolve(request)  # what cannot be granted is told now, before it waits in the queue
        identity = body.force_task_id or None
        if identity is not None and not re.fullmatch(r"[\w().:-]+", identity):
            raise UserError("force_task_id may have letters, digits and ( ) . : - _ only.", field="force_task_id")
        job = services.queue.submit("generate", request.to_json(), tag="api", id=identity)
        return reply_of(body, services.queue.wait(job.id, None), warnings)

    return router
