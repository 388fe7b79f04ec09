"""The HTTP API as one FastAPI app: every file in routes/ adds a router by existing."""

from __future__ import annotations

import importlib
import json
import math
import pkgutil
import reprlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from modules.api import routes
from modules.api.services import Services
from modules.core.errors import EaselError, NotFoundError, UserError
from modules.core.version import VERSION
from modules.jobs.job import QueueFullError, StoppingError

THREADS = 64  # for calls that answer at once; those that wait have threads of their own

RETRY_AFTER_S = 10  # when the queue is full or the server stops
ALWAYS = ("internal",)  # route files that the page needs too


class SafeJSON(JSONResponse):
    """JSON that is valid whatever came in: NaN and infinities become null, lone surrogates a replacement character."""

    def render(self, content: Any) -> bytes:
        return json.dumps(plain(content), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")


def plain(value: Any) -> Any:
    """`value` with everything that strict JSON in UTF-8 cannot carry replaced."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value


def build_app(services: Services) -> FastAPI:
    """The routes of the API (of /internal alone without --api), without the edge, which goes outermost."""
    api = services.options.mode.api
    app = FastAPI(
        title="Easel",
        version=VERSION,
        default_response_class=SafeJSON,
        lifespan=_more_threads,
        openapi_url="/openapi.json" if api else None,
        docs_url=None,  # FastAPI's own pages load scripts from another host; routes/docs.py serves ours
        redoc_url=None,
    )
    for found in sorted(pkgutil.iter_modules(routes.__path__), key=lambda one: one.name):
        if api or found.name in ALWAYS:
            module = importlib.import_module(f"{routes.__name__}.{found.name}")
            app.include_router(module.routes(services))
    app.add_exception_handler(EaselError, _easel_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    return app


@asynccontextmanager
async def _more_threads(app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield


def error_reply(status: int, error: str, detail: str, **more: object) -> SafeJSON:
    """A1111's shape of an error."""
    return SafeJSON({"error": error, "detail": detail, "body": detail, "errors": detail, **more}, status_code=status)


def _easel_error(request: Request, error: Exception) -> SafeJSON:
    status = 404 if isinstance(error, NotFoundError) and not error.field else 422
    if isinstance(error, (QueueFullError, StoppingError)):
        status = 503
    elif not isinstance(error, UserError):
        status = 500
    field = getattr(error, "field", "")
    reply = error_reply(status, type(error).__name__, str(error), **({"field": field} if field else {}))
    if status == 503:
        reply.headers["Retry-After"] = str(RETRY_AFTER_S)
    return reply


def _validation_error(request: Request, error: Exception) -> SafeJSON:
    assert isinstance(error, RequestValidationError)
    found = list(error.errors())[:20]
    told = "; ".join(_told(one) for one in found)
    wrong = [{key: one[key] for key in ("type", "loc", "msg")} for one in found]  # not the input: any size
    reply = {"error": "RequestValidationError", "detail": wrong, "body": "", "errors": told}
    return SafeJSON(reply, status_code=422)


def _told(wrong: Mapping[str, Any]) -> str:
    """Which field, what came, what was expected."""
    if wrong["type"] == "json_invalid":
        return f"The body is not JSON: {wrong['ctx']['error']} at character {wrong['loc'][-1]}."
    name = ".".join(str(part) for part in wrong["loc"])
    came = wrong.get("input")
    shown = f" is {reprlib.repr(came)}" if isinstance(came, (str, int, float, bool)) else ""
    return f"{name}{shown}: {wrong['msg']}"


def _http_error(request: Request, error: Exception) -> SafeJSON:
    assert isinstance(error, HTTPException)
    detail = str(error.detail)
    if error.status_code == 400 and isinstance(error.__cause__, Exception):  # FastAPI could not read the body
        detail = f"The body is not JSON that can be read: {error.__cause__}."
    reply = error_reply(error.status_code, type(error).__name__, detail)
    reply.headers.update(error.headers or {})
    return reply
