"""A Chromium on the page over the small engine of fake_services: one server for all, one page per file."""

import importlib.util
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
WAIT_MS = 120_000  # for what takes a second on an idle machine
CHROMIUM = next((one for one in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(one).exists()), None)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small engine: its models lie in models/."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def address(data: Path) -> Iterator[str]:
    import uvicorn

    path = Path(__file__).parents[1] / "gradio_ui" / "fake_services.py"
    spec = importlib.util.spec_from_file_location("fake_services", path)
    assert spec is not None
    assert spec.loader is not None
    fakes = importlib.util.module_from_spec(spec)
    sys.modules["fake_services"] = fakes
    spec.loader.exec_module(fakes)
    app = fakes.fake_app(fakes.fake_services(data, 0.05))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    for _ in range(200):
        if server.started:
            break
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    thread.join(timeout=5)


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("There is no Chromium.")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as play:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = play.chromium.launch(executable_path=CHROMIUM, args=options)
        context = browser.new_context(
            viewport={"width": 1440, "height": 900},
            locale="en-US",
            color_scheme="light",
            permissions=["clipboard-read", "clipboard-write"],
        )
        page = context.new_page()
        page.said = []  # type: ignore[attr-defined]
        page.on("console", lambda one: page.said.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda one: page.said.append(str(one)))
        page.on("request", lambda one: page.said.append(one.url) if not_ours(one.url, address) else None)
        page.goto(address)
        ready(page)
        yield page
        browser.close()


def not_ours(url: str, address: str) -> bool:
    return not url.startswith((address, "data:", "blob:"))


def ready(page: Any) -> None:
    page.wait_for_function("uiLoaded && document.querySelector('#txt2img_ready textarea')?.value", timeout=WAIT_MS)
    page.click("#tab_button_txt2img")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address. Settings, queue and pictures in a folder of their own; the models are the repository's."""
    data = tmp_path_factory.mktemp("newcomer")
    command = [sys.executable, "webui.py", "--port", "0", "--api", "--no-browser"]
    command += ["--data-dir", str(data), "--models-dir", str(ROOT / "models"), "--use-cpu", "all"]
    with (data / "log.txt").open("w") as told:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=told, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"Easel is at (\S+)", line):
                break
        else:
            pytest.fail((data / "log.txt").read_text())
        yield found[1].rstrip("/") + "/"
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def browser_page(program: str) -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = Path("/usr/bin/chromium")
    if not chromium.exists():
        pytest.skip("There is no Chromium.")
    with sync_api.sync_playwright() as play:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = play.chromium.launch(executable_path=str(chromium), args=options)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(program, timeout=WAIT_MS)
        ready(page)
        yield page
        browser.close()
