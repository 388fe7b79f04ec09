"""POST /sdapi/v1/extra-single-image and extra-batch-images: larger pictures, better faces. Nothing is saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import anyio.to_thread
from fastapi import APIRouter

from modules.api.extras import Sent, extras_reply, read_extras
from modules.api.generation import WAITING
from modules.api.models import ExtrasBatch, ExtrasOptions, ExtrasSingle
from modules.api.services import Services
from modules.jobs.job import Job


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/sdapi/v1", tags=["pictures"])
    waiting = anyio.CapacityLimiter(WAITING)

    def submit(body: ExtrasOptions, pictures: Sequence[Sent]) -> Job:
        return services.queue.submit("extras", read_extras(body, pictures, services).to_json(), tag="api")

    async def reply(body: ExtrasOptions, pictures: Sequence[Sent]) -> tuple[str, list[str]]:
        job = await anyio.to_thread.run_sync(submit, body, pictures)
        done = await anyio.to_thread.run_sync(
            services.queue.wait, job.id, None, limiter=waiting, abandon_on_cancel=True
        )
        return await anyio.to_thread.run_sync(extras_reply, done, body.show_extras_results)

    @router.post("/extra-single-image")
    async def extra_single_image(body: ExtrasSingle) -> dict[str, Any]:
        """{html_info, image} once it is made."""
        told, images = await reply(body, [Sent(body.image, "image")])
        return {"html_info": told, "image": images[0] if images else ""}

    @router.post("/extra-batch-images")
    async def extra_batch_images(body: ExtrasBatch) -> dict[str, Any]:
        """{html_info, images}, in the order in which they came."""
        sent = [Sent(one.data, f"imageList[{index}].data", one.name) for index, one in enumerate(body.imageList)]
        told, images = await reply(body, sent)
        return {"html_info": told, "images": images}

    return router
