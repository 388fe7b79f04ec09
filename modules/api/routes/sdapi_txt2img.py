"""POST /sdapi/v1/txt2img: blocks until the pictures are made."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from modules.api.generation import Generator
from modules.api.models import Txt2Img
from modules.api.services import Services


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/sdapi/v1", tags=["generation"])
    generator = Generator(services)

    @router.post("/txt2img")
    async def txt2img(body: Txt2Img) -> dict[str, Any]:
        """Pictures from words; with enable_hr a second pass over the enlarged picture."""
        return await generator.reply(body)

    return router
