"""A page per file, over one small engine of fake_services for all, or over one started program for all."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small engine: its models lie in models/."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def address(data: Path, fakes: Any, serving: Any) -> Iterator[str]:
    with serving(fakes.fake_app(fakes.fake_services(data, 0.05))) as found:
        yield found


@pytest.fixture(scope="module")
def page(address: str, looking: Any) -> Iterator[Any]:
    with looking(address, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.click("#tab_button_txt2img")
        yield page


@pytest.fixture(scope="session")
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
def browser_page(program: str, looking: Any) -> Iterator[Any]:
    with looking(program) as page:
        page.click("#tab_button_txt2img")
        yield page
