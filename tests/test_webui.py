"""The whole program as webui.py puts it together, page and API: what holds on every one of its routes."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

import webui
from modules.api.edge import Edge, edge_policy
from modules.core.errors import NotFoundError
from modules.core.options import Options, parse_options
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.jobs.queue import JobQueue
from modules.jobs.store import JobStore
from modules.processing.engine import Engine

PORT = 7860
HERE = f"127.0.0.1:{PORT}"
OWN = f"http://{HERE}"
PUBLIC = {"/internal/ping"}
FLOOR = 100  # pairs of method and path that a walk finds at least: fewer, and it has lost its way
LOGIN = "Basic " + base64.b64encode(b"ann:secret").decode()
WRITES = ("POST", "PUT", "PATCH", "DELETE")


@dataclass
class Site:
    app: FastAPI
    queue: JobQueue
    engine: Engine
    options: Options

    def edge(self) -> Edge:
        return Edge(self.app, edge_policy(self.options, PORT))  # type: ignore[arg-type]


def make(folder: Path, *flags: str) -> Site:
    options = parse_options(flags)
    paths = Paths(data=folder, models=folder / "models")
    webui.prepare_folders(paths)
    engine = Engine(paths, Settings(paths.config), hashing=False)
    queue = JobQueue(JobStore(paths.database), {"generate": lambda job, control, report: {}})
    return Site(webui.application(engine, queue, options), queue, engine, options)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = make(tmp_path_factory.mktemp("data"), "--api")
    yield made
    made.queue.stop(5)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = make(tmp_path_factory.mktemp("data"), "--api", "--api-auth", "ann:secret")
    yield made
    made.queue.stop(5)


def walk(routes: Sequence[BaseRoute | Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(method, path) of every route below, those of mounts and included routers too; parameters are filled with 1."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from walk(included.routes, prefix)
        elif isinstance(route, Mount):
            inner = route.routes
            yield from walk(inner, prefix + route.path) if inner else [("GET", f"{prefix}{route.path}/1")]
        elif isinstance(route, Route):
            filled = f"{prefix}{route.path}"
            while "{" in filled:
                before, _, rest = filled.partition("{")
                filled = f"{before}1{rest.partition('}')[2]}"
            yield from ((method, filled) for method in sorted(route.methods or ()))
        else:
            assert isinstance(route, WebSocketRoute), f"This walk does not know {type(route).__name__}."
            yield "WEBSOCKET", prefix + route.path


def every(site: Site) -> list[tuple[str, str]]:
    found = list(dict.fromkeys(walk(site.app.routes)))
    described = set(site.app.openapi()["paths"])
    assert {path for path in described if "{" not in path} <= {path for _, path in found}
    assert len(found) >= FLOOR
    for needed in ("/", "/gradio_api/upload", "/sdapi/v1/txt2img", "/easel/settings", "/api/v1/jobs", "/docs"):
        assert needed in {path for _, path in found}
    return found


def answers(edge: Edge, asked: Sequence[tuple[str, str, dict[str, str] | list[tuple[str, str]]]]) -> list[int]:
    """The status of each (method, path, headers), asked as a server would ask; 0 for a WebSocket that is closed."""

    async def one(method: str, path: str, headers: dict[str, str] | list[tuple[str, str]]) -> int:
        pairs = headers.items() if isinstance(headers, dict) else headers
        raw = [(name.lower().encode(), value.encode()) for name, value in pairs]
        scope = {"type": "http", "http_version": "1.1", "method": method, "scheme": "http", "path": path}
        scope |= {"raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": raw}
        scope |= {"client": ("127.0.0.1", 5), "server": ("127.0.0.1", PORT), "app": None}
        if method == "WEBSOCKET":
            scope |= {"type": "websocket", "scheme": "ws"}
        status, bodies = -1, [{"type": "http.request", "body": b"{}"}]

        async def receive() -> dict[str, Any]:
            if not bodies:
                await asyncio.Event().wait()  # the client stays and says no more
            return bodies.pop()

        async def send(message: Any) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.close"):
                status = message.get("status", 0)

        await edge(scope, receive, send)  # type: ignore[arg-type]
        return status

    async def all_of_them() -> list[int]:
        return [await one(*each) for each in asked]

    return asyncio.run(all_of_them())


def wrong(asked: Sequence[tuple[Any, ...]], got: Sequence[int], status: int) -> list[tuple[Any, ...]]:
    return [(*one, code) for one, code in zip(asked, got) if code not in (status, 0)]


FOREIGN_HOSTS: list[list[tuple[str, str]]] = [
    *([("host", one)] for one in (
        "evil.com", "evil.com:7860", "127.0.0.1.evil.com:7860", "localhost.evil:7860", "a/?x=", "", "127.1:7860",
        "127.0.0.1", "127.0.0.1:7861", "localhost.:7860", "[::1]", "[::2]:7860", "0.0.0.0:7860", "2130706433:7860",
        "user@127.0.0.1:7860", "127.0.0.1:7860@evil.com", "127.0.0.1:07860", "192.168.0.1:7860", "0x7f.1:7860",
    )),
    [], [("host", HERE), ("host", "evil.com")], [("host", "evil.com"), ("x-forwarded-host", HERE)],
    [("host", "evil.com"), ("origin", "http://evil.com")],
]  # fmt: skip


def test_every_route_refuses_every_foreign_host(site: Site) -> None:
    asked = [(method, path, headers) for method, path in every(site) for headers in FOREIGN_HOSTS]
    assert wrong(asked, answers(site.edge(), asked), 421) == []


def test_every_write_refuses_every_foreign_page(site: Site) -> None:
    origins = ("http://evil.com", "null", "http://127.0.0.1:9999", f"https://{HERE}", "http://localhost:7860", "")
    claims = [{"origin": one} for one in origins]
    claims += [{"sec-fetch-site": one} for one in ("cross-site", "same-site")]
    claims += [{"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}]
    kinds = ("application/json", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded")
    asked = [
        (method, path, {"host": HERE, "content-type": kind, **claim})
        for method, path in every(site)
        if method in (*WRITES, "WEBSOCKET")
        for claim in claims
        for kind in kinds
    ]
    before = state_of(site)
    assert wrong(asked, answers(site.edge(), asked), 403) == []
    assert state_of(site) == before


def test_every_read_refuses_another_sites_scripts(site: Site) -> None:
    asked = [(m, p, {"host": HERE, "origin": "http://evil.com"}) for m, p in every(site) if m not in WRITES]
    assert wrong(asked, answers(site.edge(), asked), 403) == []


def test_only_ping_answers_without_a_login(guarded: Site) -> None:
    asked = [
        (method, path, {"host": HERE, **login})
        for method, path in every(guarded)
        for login in ({}, {"authorization": "Basic !!"}, {"authorization": "Bearer ann:secret"})
    ]
    got = answers(guarded.edge(), [one for one in asked if one[1] not in PUBLIC])
    guard = [one for one in asked if one[1] not in PUBLIC]
    assert [one for one in wrong(guard, got, 401) if one[-1] != 429] == []
    assert answers(guarded.edge(), [("GET", path, {"host": HERE}) for path in PUBLIC]) == [200]


def test_a_route_that_comes_late_is_guarded_too(guarded: Site) -> None:
    edge = guarded.edge()
    guarded.app.router.routes.insert(0, Route("/late", lambda request: PlainTextResponse("here")))
    asked = [("GET", "/late", {"host": HERE}), ("GET", "/late", {"host": HERE, "authorization": LOGIN})]
    assert answers(edge, asked) == [401, 200]


def test_the_right_login_opens_page_docs_and_api(guarded: Site) -> None:
    paths = ("/", "/config", "/docs", "/openapi.json", "/sdapi/v1/options", "/easel/status", "/internal/sysinfo")
    asked = [("GET", path, {"host": HERE, "authorization": LOGIN}) for path in paths]
    assert dict(zip(paths, answers(guarded.edge(), asked))) == dict.fromkeys(paths, 200)


def state_of(site: Site) -> str:
    files = {str(one): one.stat().st_size for one in site.engine.paths.data.rglob("*") if one.is_file()}
    return json.dumps([site.engine.settings.all(), site.queue.counts(), files], sort_keys=True)


def test_reading_changes_nothing(site: Site) -> None:
    ours = ("/easel", "/sdapi", "/api", "/internal", "/docs", "/openapi.json")
    paths = ["/", *(path for method, path in every(site) if method == "GET" and path.startswith(ours))]
    before = state_of(site)
    first = answers(site.edge(), [("GET", path, {"host": HERE}) for path in paths])
    assert dict(zip(paths, answers(site.edge(), [("GET", path, {"host": HERE}) for path in paths]))) == dict(
        zip(paths, first)
    )
    assert set(first) <= {200, 404, 422}, dict(zip(paths, first))
    assert state_of(site) == before


@pytest.mark.parametrize("name", ["outputs/x.html", "outputs/x.svg", "models/x.html", "config.json", "easel.db"])
@pytest.mark.parametrize("route", ["/gradio_api/file=", "/file=", "/gradio_api/file/", "/assets/easel/"])
def test_no_file_of_ours_is_served_by_its_path(site: Site, route: str, name: str) -> None:
    path = site.engine.paths.data / name
    if not path.exists():
        path.write_text("<script>alert(1)</script>", "utf-8")
    for told in (path, f"../../../..{path}"):
        (status,) = answers(site.edge(), [("GET", f"{route}{told}", {"host": HERE})])
        assert status in (403, 404), (status, told)


def test_a_file_of_this_machine_cannot_be_named_as_an_upload(tmp_path: Path) -> None:
    """Gradio looks at the paths of clients only once its app counts as launched; mounting alone does not say so."""
    import gradio as gr

    from modules.gradio_ui.app import mount

    secret = Path(__file__).resolve()
    with gr.Blocks() as blocks:
        given, told = gr.File(), gr.Textbox()
        gr.Button().click(lambda file: str(file), given, told, api_name="tell")
    paths = Paths(data=tmp_path, models=tmp_path / "models")
    services: Any = type("Services", (), {"settings": Settings(), "paths": paths, "options": Options()})()
    app = mount(FastAPI(), blocks, services)

    async def tell(client: httpx.AsyncClient, path: str) -> str:
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        asked = await client.post("/gradio_api/call/tell", json={"data": [file]})
        return (await client.get(f"/gradio_api/call/tell/{asked.json()['event_id']}")).text

    async def run() -> tuple[str, str]:
        transport = httpx.ASGITransport(app)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url=OWN) as client:
            sent = await client.post("/gradio_api/upload", files={"files": ("own.txt", b"mine")})
            return await tell(client, sent.json()[0]), await tell(client, str(secret))

    uploaded, named = asyncio.run(run())
    assert "event: complete" in uploaded
    assert "own.txt" in uploaded
    assert "event: error" in named


def test_an_address_named_as_an_upload_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where no control takes files: Gradio looks for them in whatever comes."""
    import gradio as gr
    from gradio import processing_utils

    from modules.gradio_ui.app import mount

    asked: list[str] = []

    async def get(url: str) -> httpx.Response:
        asked.append(url)
        raise httpx.ConnectError("no network in tests")

    monkeypatch.setattr(processing_utils, "async_ssrf_protected_get", get)
    monkeypatch.setattr(
        processing_utils, "async_ssrf_protected_download", processing_utils.async_ssrf_protected_download
    )  # put back at the end
    with gr.Blocks() as blocks:
        given, told = gr.Textbox(), gr.Textbox()
        gr.Button().click(str, given, told, api_name="tell")
    paths = Paths(data=tmp_path, models=tmp_path / "models")
    services: Any = type("Services", (), {"settings": Settings(), "paths": paths, "options": Options()})()
    app = mount(FastAPI(), blocks, services)

    async def run() -> str:
        transport = httpx.ASGITransport(app)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url=OWN) as client:
            file = {"path": "https://a.example/x.png", "meta": {"_type": "gradio.FileData"}}
            reply = await client.post("/gradio_api/call/tell", json={"data": [file]})
            return (await client.get(f"/gradio_api/call/tell/{reply.json()['event_id']}")).text

    assert "event: error" in asyncio.run(run())
    assert asked == []


def test_the_api_is_served_when_asked_for(tmp_path: Path) -> None:
    for flags, api, page in (((), 404, 200), (("--api",), 200, 200), (("--nowebui",), 200, 404)):
        site = make(tmp_path / "-".join(("data", *flags)), *flags)
        port = site.options.port
        edge = Edge(site.app, edge_policy(site.options, port))  # type: ignore[arg-type]
        paths = ("/sdapi/v1/samplers", "/api/v1/jobs", "/docs", "/", "/internal/ping")
        got = answers(edge, [("GET", path, {"host": f"127.0.0.1:{port}"}) for path in paths])
        site.queue.stop(5)
        assert got == [api, api, api, page, 200], flags


def test_pictures_that_a_waiting_job_works_on_outlive_the_start(tmp_path: Path) -> None:
    engine = Engine(Paths(data=tmp_path, models=tmp_path), Settings(), hashing=False)
    engine.settings.update({"input_pictures_mb": 64})
    waiting, loose = (engine.inputs.put(Image.new("RGB", (8, 8), colour)) for colour in ("red", "blue"))
    with engine.inputs.path(loose).open("r+b") as file:
        file.truncate(70 << 20)  # alone over the limit
    queue = webui.make_queue(engine, parse_options(["--data-dir", str(tmp_path)]))
    queue.submit("generate", {"source": {"kind": "image", "images": [waiting]}})
    webui.prune_inputs(engine, queue)
    queue.stop()
    assert engine.inputs.path(waiting).is_file()
    with pytest.raises(NotFoundError):
        engine.inputs.path(loose)
