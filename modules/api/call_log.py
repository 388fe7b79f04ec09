"""--api-log: one line of the log for each call of the API, those that the edge refused included."""

from __future__ import annotations

import logging
import time
from urllib.parse import quote

from starlette._utils import get_route_path

from modules.api.edge import API_ROOTS, App, Message, Receive, Scope, Send, below

log = logging.getLogger(__name__)


class CallLog:
    """CallLog(edge) is an ASGI application. No query, header or body is written: they may hold secrets."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = get_route_path(scope) if scope["type"] == "http" else ""
        if not below(path, API_ROOTS):
            await self.app(scope, receive, send)
            return
        status, begun = "no answer", time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            took_ms = (time.perf_counter() - begun) * 1000
            log.info("%s %s %s %.0f ms", scope["method"], quote(path), status, took_ms)
