"""The program without its page: how the command line reaches the settings, and how it stops and restarts."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from modules.core.errors import UserError
from modules.core.options import parse_options, paths_from
from modules.core.startup import StartupLog
from webui import make_engine, make_queue, make_settings, warm_up

ROOT = Path(__file__).resolve().parents[1]
WAIT_S = 90.0


@pytest.mark.parametrize(
    ("flags", "key", "value"),
    [
        (["--no-half"], "memory_mode", "fp32"),
        (["--precision", "half"], "memory_mode", "fp16"),
        (["--disable-nan-check"], "nan_check", False),
        (["--filenames-max-length", "40"], "filenames_max_length", 40),
        (["--unix-filenames-sanitization"], "unix_filenames_sanitization", True),
        (["--no-prompt-history"], "write_params_txt", False),
        (["--enable-console-prompts"], "enable_console_prompts", True),
    ],
)
def test_a_flag_wins_over_the_stored_setting_and_is_not_stored(
    flags: list[str], key: str, value: object, tmp_path: Path
) -> None:
    import modules.gradio_ui.options
    import modules.processing.engine  # noqa: F401  declares the settings

    path = tmp_path / "config.json"
    stored = make_settings(parse_options([]), path)
    assert stored.get(key) != value
    stored.update({key: stored.get(key)})
    before = path.read_text()
    forced = make_settings(parse_options(flags), path)
    assert forced.get(key) == value
    with pytest.raises(UserError, match="fixed by the command line"):
        forced.update({key: stored.get(key)})
    assert forced.get(key) == value
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("flags", "key", "value"),
    [(["--theme", "dark"], "gradio_theme_mode", "dark"), (["--ckpt", "mine"], "sd_model_checkpoint", "mine")],
)
def test_what_the_start_names_can_be_changed_on_the_page(
    flags: list[str], key: str, value: str, tmp_path: Path
) -> None:
    import modules.gradio_ui.options
    import modules.processing.engine  # noqa: F401  declares the settings

    path = tmp_path / "config.json"
    settings = make_settings(parse_options(flags), path)
    assert settings.get(key) == value
    assert not path.exists()
    other = "light" if key == "gradio_theme_mode" else "theirs"
    settings.update({key: other})
    assert settings.get(key) == other


@pytest.mark.parametrize(("told", "said"), [("lost", 1), ("there", 0)])
def test_a_checkpoint_of_the_command_line_that_is_not_there_is_said_so(
    told: str, said: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "models" / "Stable-diffusion"
    folder.mkdir(parents=True)
    (folder / "there.safetensors").write_bytes(b"not a model")
    options = parse_options(["--ckpt", told, "--data-dir", str(tmp_path), "--skip-load-model-at-start", "--no-hashing"])
    engine = make_engine(options, paths_from(options))
    waiting = make_queue(engine, options)
    warm_up(engine, waiting, options, StartupLog(told=False))
    waiting.stop(timeout_s=10)
    lines = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    assert [line.startswith("--ckpt names no checkpoint") for line in lines] == [True] * said, lines


class Program:
    """webui.py in a process of its own; what it writes is read line by line."""

    def __init__(self, data: Path) -> None:
        flags = ["--nowebui", "--port", "0", "--skip-load-model-at-start", "--no-hashing", "--data-dir", str(data)]
        flags += ["--api-server-stop", "--api-log", "--log-startup"]
        command = [sys.executable, str(ROOT / "webui.py"), *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
        self.seen: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def address(self) -> str:
        """Where it answers, once it says so."""
        while True:
            self.seen.append(self._lines.get(timeout=WAIT_S))
            if found := re.match(r"Easel is at (\S+)/", self.seen[-1]):
                return found[1]

    def rest(self) -> str:
        status = self.process.wait(timeout=WAIT_S)
        while not self._lines.empty():
            self.seen.append(self._lines.get())
        assert status == 0, "".join(self.seen)
        return "".join(self.seen)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path)
    yield made
    made.process.kill()
    made.process.wait(timeout=WAIT_S)


def post(address: str) -> str:
    return httpx.post(address, timeout=WAIT_S).text


@pytest.mark.skipif(os.name == "nt", reason="a program cannot take its own place there")
def test_a_request_restarts_and_then_stops_it(program: Program) -> None:
    first = program.address()
    assert post(f"{first}/sdapi/v1/server-restart") == "Restarting."
    second = program.address()
    flags = httpx.get(f"{second}/sdapi/v1/cmd-flags", timeout=WAIT_S).json()
    assert flags["no_browser"] is True  # no second window
    assert post(f"{second}/sdapi/v1/server-stop") == "Stopping."
    log = program.rest()
    assert re.search(r"POST /sdapi/v1/server-stop 200 \d+ ms", log)
    assert log.count("Start-up: queue") == 2


@pytest.mark.skipif(os.name == "nt", reason="no such signals there")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(program: Program, number: int) -> None:
    address = program.address()
    assert httpx.get(f"{address}/internal/ping", timeout=WAIT_S).json() == {}
    program.process.send_signal(number)
    assert "Traceback" not in program.rest()
