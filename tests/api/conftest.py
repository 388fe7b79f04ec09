"""The API as it is served: uvicorn on a free port, the edge, a real queue, a real engine over a tiny model."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

import webui
from modules.api.edge import Edge, edge_policy
from modules.api.serve import Server, bind, server_for
from modules.core.options import parse_options
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.jobs.extras import make_extras_handler
from modules.jobs.generate import make_generate_handler
from modules.jobs.merge import make_merge_handler
from modules.jobs.queue import JobQueue
from modules.jobs.store import JobStore
from modules.processing.engine import Engine

WAIT_S = 60.0


@dataclass
class Served:
    client: httpx.Client
    queue: JobQueue
    engine: Engine
    server: Server


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    from tests.processing.models import tiny  # which imports torch

    for seed, name in enumerate(("tiny", "other")):
        tiny.make_tiny_sd1(folder / "Stable-diffusion" / name, seed=seed)
    return folder


def serve(folder: Path, models: Path, limit: int) -> Iterator[Served]:
    options = parse_options(["--nowebui", "--port", "0"])
    paths = Paths(data=folder, models=models)
    settings = Settings(paths.config, values={"sd_model_checkpoint": "tiny", "memory_mode": "fp32"})
    engine = Engine(paths, settings)
    engine.catalog.refresh()
    handlers = {
        "generate": make_generate_handler(engine),
        "extras": make_extras_handler(engine),
        "merge": make_merge_handler(engine),
    }
    queue = JobQueue(JobStore(paths.database), handlers, limit=limit)
    with bind(options) as sock:
        port = sock.getsockname()[1]
        app = webui.application(engine, queue, options)
        edge = Edge(app, edge_policy(options, port))  # type: ignore[arg-type]
        server = server_for(edge, options, queue.stop)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=WAIT_S) as client:
            yield Served(client, queue, engine, server)
        server.should_exit = True
        thread.join(WAIT_S)


@pytest.fixture(scope="session")
def served(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    for one in serve(tmp_path_factory.mktemp("served"), models, 100):
        one.queue.start()
        yield one


@pytest.fixture
def resting(models: Path, tmp_path: Path) -> Iterator[Served]:
    """A server whose worker has not begun, with room for two jobs."""
    yield from serve(tmp_path, models, 2)


def _until(ask, wanted, what: str):
    """What `ask()` gives once `wanted` says so; each question is a request, so it waits by itself."""
    end, found = time.monotonic() + WAIT_S, None
    while time.monotonic() < end:
        found = ask()
        if wanted(found):
            return found
    raise AssertionError(f"{what}; at last it was {found}")


@pytest.fixture(scope="session")
def serve_with(models: Path):
    """A server in a data folder of its own whose worker has not begun, with room for so many jobs."""
    return lambda folder, limit: serve(folder, models, limit)


@pytest.fixture
def until():
    return _until
