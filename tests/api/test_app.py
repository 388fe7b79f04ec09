"""Which routes there are: by --api, --nowebui and --api-server-stop."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from modules.api import control
from modules.api.app import build_app
from modules.api.services import Services
from modules.core.options import parse_options
from modules.core.paths import Paths
from modules.core.settings import Settings


class Server:
    should_exit = False


def site(*flags: str) -> tuple[TestClient, Services, Server]:
    nothing: Any = SimpleNamespace(list=lambda states: [], catalog=None)  # an empty queue, no models
    services = Services(
        engine=nothing, queue=nothing, settings=Settings(), paths=Paths(data=Path()), options=parse_options(flags)
    )
    server = Server()
    services.control.attach(server)
    return TestClient(build_app(services)), services, server


@pytest.mark.parametrize("flags", [["--api"], ["--nowebui"], ["--test-server"]])
def test_the_api_is_served_when_asked_for(flags: list[str]) -> None:
    client, _, _ = site(*flags)
    assert "/sdapi/v1/txt2img" in client.get("/openapi.json").json()["paths"]
    assert client.get("/sdapi/v1/cmd-flags").json()["port"] is None


def test_without_it_only_the_internal_routes_are_there() -> None:
    client, _, _ = site()
    assert client.get("/internal/ping").json() == {}
    assert client.get("/internal/pending-tasks").json() == {"size": 0, "tasks": []}
    for path in ("/sdapi/v1/cmd-flags", "/sdapi/v1/options", "/api/v1/jobs", "/docs", "/redoc", "/openapi.json"):
        assert client.get(path).status_code == 404, path


@pytest.mark.parametrize("name", ["server-stop", "server-kill", "server-restart"])
def test_the_server_is_stopped_only_where_that_was_allowed(name: str) -> None:
    client, services, server = site("--api")
    assert client.post(f"/sdapi/v1/{name}").status_code == 404
    assert not server.should_exit
    client, services, server = site("--api", "--api-server-stop")
    assert client.get(f"/sdapi/v1/{name}").status_code == 405  # a link or picture of another site must not do it
    assert not server.should_exit
    told = client.post(f"/sdapi/v1/{name}").text
    assert told == ("Restarting." if name == "server-restart" else "Stopping.")
    assert server.should_exit
    assert services.control.restart == (name == "server-restart")


def test_where_no_program_can_restart_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    client, services, server = site("--api", "--api-server-stop")
    monkeypatch.setattr(control.os, "name", "nt")
    assert client.post("/sdapi/v1/server-restart").status_code == 501
    assert not server.should_exit
    assert not services.control.restart


def test_frozen_settings_are_refused() -> None:
    client, services, _ = site("--api", "--freeze-specific-settings", "s_noise")
    reply = client.post("/sdapi/v1/options", json={"s_churn": 2.0, "s_noise": 1.01})
    assert reply.status_code == 422
    assert "s_noise is frozen" in reply.text
    assert services.settings.get("s_churn") == 0.0
    assert client.post("/sdapi/v1/options", json={"s_churn": 2.0}).status_code == 200
    assert services.settings.get("s_churn") == 2.0
