"""--api-log: what one line says, and what no line says."""

from __future__ import annotations

import asyncio
import logging
import re

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from modules.api.call_log import CallLog
from modules.api.edge import Edge, edge_policy
from modules.core.options import parse_options

OWN = "http://127.0.0.1:7860"


def lines(
    caplog: pytest.LogCaptureFixture, *calls: tuple[str, str], flags: tuple[str, ...] = (), root: str = ""
) -> list[str]:
    app, options = FastAPI(), parse_options(flags)

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def anything(path: str) -> JSONResponse:
        return JSONResponse({}, status_code=418 if path.endswith("tea") else 200)

    async def send() -> None:
        edge = CallLog(Edge(app, edge_policy(options, 7860)))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(edge, root_path=root), base_url=OWN) as client:
            for method, path in calls:
                await client.request(method, path)

    caplog.set_level(logging.INFO, logger="modules.api.call_log")
    asyncio.run(send())
    return [one.getMessage() for one in caplog.records if one.name == "modules.api.call_log"]


def test_each_api_call_is_one_line_with_status_and_time(caplog: pytest.LogCaptureFixture) -> None:
    told = lines(caplog, ("POST", "/sdapi/v1/txt2img?secret=canary"), ("GET", "/api/v1/tea"))
    assert re.fullmatch(r"POST /sdapi/v1/txt2img 200 \d+ ms", told[0])
    assert re.fullmatch(r"GET /api/v1/tea 418 \d+ ms", told[1])


def test_a_call_below_a_subpath_is_told_by_its_own_path(caplog: pytest.LogCaptureFixture) -> None:
    told = lines(caplog, ("GET", "/sd/api/v1/jobs"), ("GET", "/sdapi/v1/options"), root="/sd")
    assert [one.split()[1] for one in told] == ["/api/v1/jobs", "/sdapi/v1/options"]


def test_the_page_and_its_progress_are_not_told(caplog: pytest.LogCaptureFixture) -> None:
    assert lines(caplog, ("GET", "/"), ("POST", "/internal/progress"), ("GET", "/easel/jobs")) == []


def test_refused_calls_are_told_and_no_name_breaks_the_line(caplog: pytest.LogCaptureFixture) -> None:
    told = lines(caplog, ("GET", "/api/a%0Ab"), flags=("--api-auth", "ann:secret"))
    assert re.fullmatch(r"GET /api/a%0Ab 401 \d+ ms", told[0])
