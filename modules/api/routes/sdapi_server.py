"""POST /sdapi/v1/server-stop, server-kill and server-restart; they exist with --api-server-stop only."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException

from modules.api.control import can_restart
from modules.api.services import Services


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/sdapi/v1", tags=["server"])
    if not services.options.access.api_server_stop:
        return router

    @router.post("/server-stop")
    @router.post("/server-kill")  # ends in order too: a job that is running is found again at the next start
    def stop() -> PlainTextResponse:
        services.control.stop()
        return PlainTextResponse("Stopping.")

    @router.post("/server-restart")
    def restart() -> PlainTextResponse:
        if not can_restart():
            raise HTTPException(501, "This system cannot restart a program in its place; stop it and start it again.")
        services.control.stop(restart=True)
        return PlainTextResponse("Restarting.")

    return router
