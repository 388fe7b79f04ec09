"""GET /docs: the OpenAPI description made readable, by one page of our own that needs no other host."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

from modules.api.services import Services

PAGE = Path(__file__).parents[1] / "assets" / "docs.html"
# The page's script and styles stand in it; the browser itself sees to it that it asks no one but this server.
POLICY = {
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline'; img-src 'self' data:",
    "Cache-Control": "no-cache",
}


def routes(services: Services) -> APIRouter:
    router = APIRouter()

    @router.get("/docs", include_in_schema=False)
    def docs() -> FileResponse:
        return FileResponse(PAGE, media_type="text/html", headers=POLICY)

    return router
