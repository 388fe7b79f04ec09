"""What the browser tests share: the page over a small engine, a server for an app, and a Chromium that looks at it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CHROMIUM = next((one for one in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(one).exists()), None)
WAIT_MS = 120_000  # for what takes a second on an idle machine


@pytest.fixture(scope="session")
def fakes() -> ModuleType:
    """tests/gradio_ui/fake_services.py"""
    from tests.gradio_ui import fake_services

    return fake_services


@pytest.fixture(scope="session")
def serving() -> Callable[[Any], AbstractContextManager[str]]:
    """serving(app): its address while it is served."""
    return _serving


@contextlib.contextmanager
def _serving(app: Any) -> Iterator[str]:
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < until
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="session")
def looking() -> Callable[..., AbstractContextManager[Any]]:
    """looking(address): the loaded page in a Chromium; page.said holds errors and addresses that are not ours."""
    return _looking


@contextlib.contextmanager
def _looking(address: str, **context: Any) -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("There is no Chromium.")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as play:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = play.chromium.launch(executable_path=CHROMIUM, args=options)
        usual = {"viewport": {"width": 1440, "height": 900}, "locale": "en-US", "color_scheme": "light"}
        page = browser.new_context(**{**usual, **context}).new_page()
        page.set_default_timeout(WAIT_MS)
        page.said = []
        ours = (address, "data:", "blob:")
        page.on("console", lambda one: page.said.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda one: page.said.append(str(one)))
        page.on("request", lambda one: None if one.url.startswith(ours) else page.said.append(one.url))
        page.goto(address, timeout=WAIT_MS)
        page.wait_for_function("uiLoaded && document.querySelector('#txt2img_ready textarea')?.value", timeout=WAIT_MS)
        yield page
        browser.close()
