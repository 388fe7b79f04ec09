"""POST /sdapi/v1/img2img: pictures from pictures, with a mask inpainting; blocks until they are made."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from modules.api.generation import Generator
from modules.api.models import Img2Img
from modules.api.services import Services


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/sdapi/v1", tags=["generation"])
    generator = Generator(services)

    @router.post("/img2img")
    async def img2img(body: Img2Img) -> dict[str, Any]:
        """Pictures from pictures; with a mask only what is white there is painted anew. 404 without a picture."""
        return await generator.reply(body)

    return router
