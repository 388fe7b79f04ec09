"""POST /sdapi/v1/png-info: the generation data inside a picture."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from modules.api.models import PngInfo
from modules.api.services import Services
from modules.core.errors import UserError
from modules.imaging.foreign import read_any
from modules.imaging.infotext import parse_infotext
from modules.imaging.metadata import decode_base64_image


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/sdapi/v1", tags=["pictures"])

    @router.post("/png-info")
    def png_info(body: PngInfo) -> dict[str, Any]:
        """`foreign`: the program whose metadata was put into our fields, and what of it was not understood."""
        try:
            infotext, items, found = read_any(decode_base64_image(body.image))
        except UserError as error:
            raise UserError(error.message, hint=error.hint, field="image") from error
        shown = {str(key): str(value) for key, value in items.items()}
        foreign = {"program": found.program, "unknown": list(found.unknown)} if found else None
        return {"info": infotext, "items": shown, "parameters": parse_infotext(infotext), "foreign": foreign}

    return router
