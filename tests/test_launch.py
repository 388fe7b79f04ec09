"""launch.py with a stand-in for the venv's Python that notes its calls: what runs, when, and what is left behind."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

import launch

ROOT = Path(launch.__file__).parent


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """A folder whose Python writes its arguments to calls.txt and fails while a file `broken` is there."""
    home = tmp_path / "venv"
    (home / "bin").mkdir(parents=True)
    python = home / "bin" / "python"
    python.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls.txt\n[ ! -e {tmp_path}/broken ]\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return home


def install(home: Path, requirements: Path) -> bool:
    return launch.install_once(home / "bin" / "python", home, requirements)


def calls(home: Path) -> int:
    noted = home.parent / "calls.txt"
    return len(noted.read_text().splitlines()) if noted.exists() else 0


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
def test_pip_runs_once_per_change(venv: Path, tmp_path: Path) -> None:
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("one==1\n")
    assert [install(venv, wanted) for _ in range(3)] == [True, False, False]
    wanted.write_text("one==2\n")
    assert [install(venv, wanted) for _ in range(2)] == [True, False]
    assert calls(venv) == 2


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
def test_a_failed_installation_leaves_no_stamp(venv: Path, tmp_path: Path) -> None:
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("one==1\n")
    install(venv, wanted)
    wanted.write_text("one==2\n")
    (tmp_path / "broken").touch()
    with pytest.raises(launch.LaunchError, match="PIP_NO_INDEX"):
        install(venv, wanted)
    assert not list(venv.glob(f"{launch.STAMP}*"))
    (tmp_path / "broken").unlink()
    wanted.write_text("one==1\n")  # back to what the older stamp said: it may not be believed
    assert install(venv, wanted)


@pytest.mark.parametrize("version", [(3, 9), (3, 14), (2, 7), (4, 0)])
def test_a_python_that_cannot_work_is_named(version: tuple[int, int]) -> None:
    with pytest.raises(launch.LaunchError, match=rf"{version[0]}\.{version[1]}"):
        launch.check_python(version)


@pytest.mark.parametrize("version", [(3, 10), (3, 11), (3, 12), (3, 13)])
def test_supported_pythons_pass(version: tuple[int, int]) -> None:
    launch.check_python(version)


def test_help_answers_within_a_second_without_any_package() -> None:
    begun = time.perf_counter()
    # -I -S: no site-packages at all, so that torch or anything else installed could not be imported
    command = [sys.executable, "-I", "-S", str(ROOT / "launch.py"), "--help"]
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.argv = ['launch.py', '--help']; " + (
        f"import runpy; runpy.run_path({command[3]!r}, run_name='__main__')"
    )
    told = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert told.returncode == 0, told.stderr
    for flag in ("--no-venv", "--port", "--api-auth", "--test"):
        assert flag in told.stdout
    assert time.perf_counter() - begun < 1.0


def test_an_unknown_flag_is_refused_with_the_nearest() -> None:
    told = subprocess.run([sys.executable, str(ROOT / "launch.py"), "--lisen"], capture_output=True, text=True)
    assert told.returncode == 2
    assert "--listen" in told.stderr


def test_nothing_calls_home_unless_a_person_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in launch.ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    assert {name: launch.environment()[name] for name in launch.ENVIRONMENT} == launch.ENVIRONMENT
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert launch.environment()["HF_HUB_OFFLINE"] == "0"


def test_extensions_can_ask_and_run() -> None:
    assert launch.is_installed("pytest")
    assert not launch.is_installed("no-such-package-at-all")
    assert launch.run([sys.executable, "-c", "print(7)"]).strip() == "7"
    with pytest.raises(RuntimeError, match="oh no"):
        launch.run([sys.executable, "-c", "raise SystemExit('oh no')"])
