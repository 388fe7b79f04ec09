"""The edge around a real FastAPI app, over ASGI: its decisions hold on every route, status by status."""

from __future__ import annotations

import asyncio
import base64
import json

import httpx
import pytest
from fastapi import FastAPI, Request

from modules.api.edge import Edge, edge_policy, login_for_listening
from modules.api.serve import server_for
from modules.core.options import parse_options

PORT = 7860
OWN = f"http://127.0.0.1:{PORT}"


def make(*flags: str) -> tuple[Edge, list[str]]:
    app, reached = FastAPI(), []

    @app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "DELETE", "OPTIONS"])
    async def anything(path: str, request: Request) -> dict[str, int]:
        reached.append(path)
        return {"length": len(await request.body())}

    options = parse_options(flags)
    return Edge(app, edge_policy(options, PORT, login=login_for_listening(options))), reached


def call(edge: Edge, method: str, path: str = "/", *, host: str = f"127.0.0.1:{PORT}", **more) -> httpx.Response:
    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url=OWN) as client:
            headers = {"host": host, **more.pop("headers", {})}
            return await client.request(method, path, headers=headers, **more)

    return asyncio.run(send())


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def below_sd(edge: Edge, path: str, **more) -> httpx.Response:
    """As behind a proxy of --subpath /sd: the server's path has it in front."""
    edge_at_sd = httpx.ASGITransport(edge, root_path="/sd")

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=edge_at_sd, base_url=OWN) as client:
            return await client.get(f"/sd{path}", **more)

    return asyncio.run(send())


FOREIGN = [
    "evil.com", "evil.com:7860", "127.0.0.1.evil.com:7860", "localhost.evil:7860", "a/?x=", "", "127.1:7860",
    "127.0.0.1", "127.0.0.1:7861", "localhost.:7860", "[::1]", "[::2]:7860", "0.0.0.0:7860", "2130706433:7860",
    "user@127.0.0.1:7860", "127.0.0.1:7860@evil.com", "127.0.0.1:07860", "127.0.0.1:7860 ", "192.168.0.1:7860",
]  # fmt: skip


@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize("path", ["/", "/sdapi/v1/txt2img", "/internal/ping", "/gradio_api/upload"])
def test_a_foreign_host_is_refused_before_any_handler(host: str, path: str) -> None:
    edge, reached = make()
    answer = call(edge, "GET", path, host=host)
    assert (answer.status_code, reached) == (421, [])


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "LOCALHOST:7860", "[::1]:7860"])
def test_own_names_pass(host: str) -> None:
    assert call(make()[0], "GET", host=host).status_code == 200


@pytest.mark.parametrize("address", ["file=", "file/", "file//", "stream/1/2/3/4.svg?"])
def test_files_of_gradio_cannot_run_as_pages_of_this_site(address: str) -> None:
    edge, path = make()[0], f"/gradio_api/{address}/allowed/page.html"
    for answer in (call(edge, "GET", path), below_sd(edge, path)):
        assert "sandbox" in answer.headers["content-security-policy"]
    assert "sandbox" not in call(edge, "GET", "/").headers["content-security-policy"]


@pytest.mark.parametrize("address", ["file=http://a.example/x", "file/https://a.example/x", "file=HTTP:/a", "proxy=x"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_server_fetches_nothing_for_a_visitor(method: str, address: str) -> None:
    edge, reached = make()
    assert call(edge, method, f"/gradio_api/{address}").status_code == 403
    assert below_sd(edge, f"/gradio_api/{address}").status_code == 403
    assert reached == []
    assert call(edge, "GET", "/gradio_api/file=/allowed/http.png").status_code == 200


def test_a_forwarded_host_changes_nothing() -> None:
    assert call(make()[0], "GET", host="evil.com", headers={"x-forwarded-host": "127.0.0.1:7860"}).status_code == 421


@pytest.mark.parametrize(
    "origin",
    ["http://evil.com", "null", "http://127.0.0.1:9999", "https://127.0.0.1:7860", "http://localhost:7860", ""],
)
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x"])
def test_a_write_from_another_origin_is_refused(origin: str, kind: str) -> None:
    edge, reached = make()
    answer = call(edge, "POST", "/gradio_api/upload", headers={"origin": origin, "content-type": kind}, content=b"{}")
    assert (answer.status_code, reached) == (403, [])


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_write_of_another_site_without_origin_is_refused(site: str) -> None:
    edge, reached = make()
    headers = {"sec-fetch-site": site, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert call(edge, "POST", headers=headers).status_code == 403
    assert reached == []
    assert call(edge, "GET", headers=headers).status_code == 200  # a link from another page


@pytest.mark.parametrize("headers", [{}, {"origin": OWN}, {"sec-fetch-site": "same-origin"}])
def test_scripts_and_the_own_page_may_write(headers: dict[str, str]) -> None:
    assert call(make()[0], "POST", headers=headers, content=b"abc").json() == {"length": 3}


def test_only_a_named_origin_gets_cors_headers() -> None:
    edge, _ = make("--cors-allow-origins", "https://one.example")
    named = call(edge, "GET", headers={"origin": "https://one.example"})
    assert named.headers["access-control-allow-origin"] == "https://one.example"
    assert call(edge, "GET", headers={"origin": "https://two.example"}).status_code == 403
    asked = {"origin": "https://one.example", "access-control-request-method": "POST"}
    assert call(edge, "OPTIONS", headers=asked).status_code == 204
    assert "access-control-allow-origin" not in call(edge, "GET").headers


PATHS = [
    "/", "/docs", "/openapi.json", "/sdapi/v1/options", "/api/v1/jobs", "/internal/progress", "/gradio_api/cancel",
    "/gradio_api/heartbeat/x", "//internal/ping", "/internal/ping/", "/internal/ping;x", "/@x", "/metrics",
    "/internal/ping/../../sdapi/v1/options", "/%2e%2e/internal/ping/x",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("flag", ["--api-auth", "--gradio-auth"])
def test_one_login_guards_everything_but_ping(flag: str, path: str) -> None:
    edge, reached = make(flag, "ann:a:b:ü")
    assert call(edge, "GET", path).status_code == 401
    assert call(edge, "GET", path, headers=basic("ann", "wrong")).status_code == 401
    assert reached == []
    assert call(edge, "GET", path, headers=basic("ann", "a:b:ü")).status_code == 200
    assert call(edge, "GET", "/internal/ping").status_code == 200


def test_the_pages_login_does_not_open_the_api_when_it_has_its_own() -> None:
    edge, _ = make("--api-auth", "api:1", "--gradio-auth", "page:2")
    found = {
        (path, user): call(edge, "GET", path, headers=basic(user, password)).status_code
        for path in ("/", "/sdapi/v1/options", "/internal/progress")
        for user, password in (("api", "1"), ("page", "2"))
    }
    assert [key for key, status in found.items() if status != 200] == [("/", "api"), ("/sdapi/v1/options", "page")]


def test_below_a_subpath_the_same_logins_open_the_same_paths() -> None:
    edge, _ = make("--api-auth", "api:1", "--gradio-auth", "page:2")
    logins = (basic("api", "1"), basic("page", "2"), {})
    for path in ("/", "/sdapi/v1/options", "/internal/progress", "/internal/ping", "/sd/internal/ping"):
        plain = [call(edge, "GET", path, headers=login).status_code for login in logins]
        assert [below_sd(edge, path, headers=login).status_code for login in logins] == plain, path
    assert below_sd(edge, "/internal/ping").status_code == 200
    assert below_sd(edge, "-evil/internal/ping").status_code == 401  # /sd-evil is not below /sd


@pytest.mark.parametrize("value", ["Basic", "Basic !!!", "Bearer x", "Basic " + "A" * 1_000_000, "Basic /w=="])
def test_odd_logins_are_refused(value: str) -> None:
    assert call(make("--api-auth", "a:b")[0], "GET", headers={"authorization": value}).status_code == 401


def test_many_wrong_logins_wait_but_a_proved_one_goes_on() -> None:
    edge, _ = make("--api-auth", "a:b")
    assert call(edge, "GET", headers=basic("a", "b")).status_code == 200
    statuses = [call(edge, "GET", headers=basic("a", str(k))).status_code for k in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert call(edge, "GET", headers=basic("a", "b")).status_code == 200


def test_listening_without_a_login_makes_one() -> None:
    assert call(make("--listen")[0], "GET", host="10.0.0.5:7860").status_code == 401
    assert call(make("--listen", "--allow-unauthenticated-listen")[0], "GET", host="10.0.0.5:7860").status_code == 200
    assert call(make("--listen")[0], "GET", host="evil.com:7860").status_code == 421


def test_too_large_a_body_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    edge, reached = make()
    headers = {"content-type": "application/json", "content-length": str(101 * 1024 * 1024)}
    assert call(edge, "POST", headers=headers, content=b"{").status_code == 413
    assert reached == []
    monkeypatch.setattr("modules.api.edge.JSON_LIMIT", 1000)
    drawn = []

    async def chunks():
        for k in range(100):
            drawn.append(k)
            yield b"x" * 100

    answer = call(edge, "POST", content=chunks())
    assert answer.status_code == 413
    assert json.loads(answer.content)["error"] == "TooLarge"


@pytest.mark.parametrize(("path", "host"), [("/", "127.0.0.1:7860"), ("/x", "evil.com")])
def test_every_answer_carries_the_headers(path: str, host: str) -> None:
    headers = call(make()[0], "GET", path, host=host).headers
    for part in ("frame-ancestors 'none'", "object-src 'none'", "base-uri 'self'"):
        assert part in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert float(headers["x-process-time"]) >= 0
    assert "server" not in headers


def test_a_websocket_is_judged_like_a_request() -> None:
    edge, reached = make()
    sent: list[dict] = []

    async def run() -> None:
        scope = {"type": "websocket", "path": "/ws", "scheme": "ws", "headers": [(b"host", b"127.0.0.1:7860"), (b"origin", b"http://evil.com")]}  # noqa: E501  # fmt: skip

        async def receive() -> dict:
            return {"type": "websocket.connect"}

        async def send(message: dict) -> None:
            sent.append(message)

        await edge(scope, receive, send)

    asyncio.run(run())
    assert [one["type"] for one in sent] == ["websocket.close"]
    assert reached == []


def test_uvicorn_tells_no_version() -> None:
    assert server_for(make()[0], parse_options([]), lambda: None).config.server_header is False
