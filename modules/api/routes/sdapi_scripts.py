"""GET /sdapi/v1/scripts and script-info: what script_name and alwayson_scripts may name, and their arguments."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from modules.api.read_scripts import list_scripts, script_info
from modules.api.services import Services


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/sdapi/v1", tags=["lists"])

    @router.get("/scripts")
    def scripts() -> dict[str, list[str]]:
        return list_scripts()

    @router.get("/script-info")
    def info() -> list[dict[str, Any]]:
        return script_info(services.engine)

    return router
