"""POST /sdapi/v1/interrogate: words for a picture. No model that finds them is part of Easel."""

from __future__ import annotations

from fastapi import APIRouter, Response

from modules.api.app import error_reply
from modules.api.models import Interrogate
from modules.api.pictures import decoded
from modules.api.services import Services
from modules.core.errors import NotFoundError

MODELS = {
    "clip": "CLIP ViT-L/14 and BLIP",
    "deepdanbooru": "DeepDanbooru",
}  # by A1111's name: what the caption comes from


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/sdapi/v1", tags=["pictures"])

    @router.post("/interrogate", responses={501: {"description": "The model is missing."}})
    def interrogate(body: Interrogate) -> Response:
        """501 that says which model is missing; 404 for other models, 422 for what is no picture."""
        if body.model not in MODELS:
            raise NotFoundError("Model not found", hint=f"Known: {', '.join(MODELS)}.")
        decoded(body.image, "image", services.settings)
        told = f"The model {body.model} ({MODELS[body.model]}) is missing: Easel cannot describe pictures."
        return error_reply(501, "NotImplemented", told)

    return router
