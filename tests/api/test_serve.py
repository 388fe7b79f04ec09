"""From the command line to what a listening server answers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from modules.api.serve import Subpath, bind, server_for, url_of
from modules.core.errors import UserError
from modules.core.options import parse_options


def answer(path: str) -> tuple[int, str, str]:
    """Status, the path that the route saw, and the address that the app takes for its own."""
    app = FastAPI()

    @app.get("/{path:path}")
    def anything(path: str, request: Request) -> list[str]:
        return [path, str(request.base_url)]

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(Subpath(app, "/sd"))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path)

    reply = asyncio.run(send())
    found: Any = reply.json()
    return reply.status_code, found[0], found[1]


@pytest.mark.parametrize("path", ["", "internal/ping", "sdapi/v1/options"])
def test_a_proxy_may_cut_the_subpath_off_or_leave_it(path: str) -> None:
    assert answer(f"/sd/{path}") == answer(f"/{path}") == (200, path, "http://127.0.0.1/sd/")


@pytest.mark.parametrize(("told", "end"), [("/sd", "/sd/"), ("sd", "/sd/"), ("/a/b/", "/a/b/"), ("", "/"), ("/", "/")])
def test_the_printed_address_ends_in_the_subpath(told: str, end: str) -> None:
    options = parse_options(["--port", "0", "--subpath", told])
    with bind(options) as sock:
        assert url_of(options, sock) == f"http://127.0.0.1:{sock.getsockname()[1]}{end}"


@pytest.mark.parametrize(("name", "said"), [("missing.pem", "No such file"), ("note.txt", "PEM")])
def test_tls_files_that_cannot_be_used_are_named(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "note.txt").write_text("not a certificate")
    options = parse_options(["--tls-certfile", str(tmp_path / name)])
    with pytest.raises(UserError) as told:
        server_for(FastAPI(), options, lambda: None)  # type: ignore[arg-type]
    assert name in told.value.message
    assert said in told.value.message


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--cors-allow-origins-regex", "https://(a"], "'https://(a' is not a regular expression"),
        (["--tls-keyfile", "key.pem"], "--tls-keyfile needs --tls-certfile"),
    ],
)
def test_a_flag_that_cannot_work_ends_the_start_in_one_sentence(
    flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        parse_options(flags)
    assert end.value.code == 2
    assert said in capsys.readouterr().err
