"""POST /sdapi/v1/png-info: the generation data inside a picture."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from modules.api.models import PngInfo
from modules.api.pictures import decoded
from modules.api.services import Services
from modules.imaging.foreign import read_any
from modules.imaging.infotext import parse_infotext


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/sdapi/v1", tags=["pictures"])

    @router.post("/png-info")
    def png_info(body: PngInfo) -> dict[str, Any]:
        """`foreign`: the program whose metadata was put into our fields, and what of it was not understood."""
        infotext, items, found = read_any(decoded(body.image, "image", services.settings))
        shown = {str(key): str(value) for key, value in items.items()}
        foreign = {"program": found.program, "unknown": list(found.unknown)} if found else None
        return {"info": infotext, "items": shown, "parameters": parse_infotext(infotext), "foreign": foreign}

    return router
