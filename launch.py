"""Start Easel: python launch.py. Makes ./venv, installs requirements.txt once per change, then starts the server.

python launch.py --test [pytest arguments] does the same with the test tools and runs the suite.
Standard library only; extensions' install.py may use `run`, `run_pip`, `is_installed` and `args` from here.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / "venv"
SUPPORTED = ((3, 10), (3, 13))
STAMP = ".easel-requirements"
ENVIRONMENT = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}


class LaunchError(Exception):
    """Something a person can mend; the message says what to do."""


def main(arguments: Sequence[str]) -> int:
    check_python(sys.version_info[:2])
    if "--test" in arguments:
        rest = [one for one in arguments if one not in ("--test", "--no-venv", "--skip-install")]
        files = [ROOT / "requirements.txt", ROOT / "requirements-dev.txt"]
        python = prepare(files, own_venv="--no-venv" not in arguments, install="--skip-install" not in arguments)
        return subprocess.call([str(python), "-m", "pytest", *rest], cwd=ROOT, env=environment())

    from modules.core.options import parse_options  # after the version check; standard library only

    options = parse_options(arguments)
    own_venv, install = not options.values.no_venv, not options.values.skip_install
    python = prepare([ROOT / "requirements.txt"], own_venv=own_venv, install=install)
    if options.values.exit:
        return 0
    command = [str(python), str(ROOT / "webui.py"), *arguments]
    if os.name == "nt":  # exec on Windows returns to the shell while the server runs
        return subprocess.call(command, env=environment())
    sys.stdout.flush()
    os.execve(command[0], command, environment())  # noqa: S606  replaces this process
    raise AssertionError("execve does not return")


def check_python(version: tuple[int, ...]) -> None:
    """Refuse a Python that the pinned packages do not support."""
    low, high = SUPPORTED
    if not low <= tuple(version[:2]) <= high:
        raise LaunchError(
            f"Easel needs Python 3.10 to 3.13; this is Python {version[0]}.{version[1]}.\n"
            "Install one of them (https://www.python.org/downloads/) and start again with it: python3.12 launch.py"
        )


def environment() -> dict[str, str]:
    """The environment with nothing that calls home; what a person has set stays."""
    return {**ENVIRONMENT, **os.environ}


def prepare(files: Sequence[Path], *, own_venv: bool = True, install: bool = True) -> Path:
    """Make the venv where wanted, install each requirements file that changed, and return the Python to use."""
    if in_venv() or not own_venv:
        python, home = Path(sys.executable), Path(sys.prefix)
    else:
        python, home = make_venv(VENV), VENV
    for file in files if install else ():
        install_once(python, home, file)
    return python


def in_venv() -> bool:
    return sys.prefix != sys.base_prefix or "CONDA_PREFIX" in os.environ


def make_venv(home: Path) -> Path:
    """The Python of the venv at `home`, made when it is absent or was left half made."""
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = python.with_name("pip.exe" if os.name == "nt" else "pip")
    if python.exists() and pip.exists():
        return python
    print(f"Making {home} ...", flush=True)
    if subprocess.call([sys.executable, "-m", "venv", str(home)]) != 0:
        raise LaunchError(
            f"The virtual environment {home} could not be made.\n"
            "On Debian and Ubuntu: apt install python3-venv. Or use this Python as it is: python launch.py --no-venv"
        )
    return python


def install_once(python: Path, home: Path, requirements: Path) -> bool:
    """Install `requirements` unless its stamp says that this very text is installed. Returns whether pip ran."""
    stamp = home / f"{STAMP}-{requirements.stem}"
    wanted = digest(python, requirements)
    if stamp.exists() and stamp.read_text("utf-8").strip() == wanted:
        return False
    stamp.unlink(missing_ok=True)  # an interrupted installation must not look finished
    print(f"Installing {requirements.name} (only after it has changed) ...", flush=True)
    result = subprocess.call(
        [str(python), "-m", "pip", "install", "--disable-pip-version-check", "-r", str(requirements)]
    )
    if result != 0:
        raise LaunchError(
            f"{requirements.name} could not be installed (pip's message is above).\n"
            "Without a network: copy the wheels here, set PIP_NO_INDEX=1 and PIP_FIND_LINKS=FOLDER, and start again.\n"
            "Behind a proxy or mirror: set HTTPS_PROXY or PIP_INDEX_URL. Disk full: about 8 GB are needed."
        )
    beside = stamp.with_name(stamp.name + ".tmp")
    beside.write_text(wanted + "\n", "utf-8")
    os.replace(beside, stamp)
    return True


def digest(python: Path, requirements: Path) -> str:
    """Of the file's text and the Python it was installed into."""
    text = requirements.read_bytes() + f"\0{python}\0{sys.version_info[:2]}".encode()
    return hashlib.sha256(text).hexdigest()


# For extensions' install.py, by the names they know.


def run(command: str | Sequence[str], desc: str | None = None, errdesc: str | None = None) -> str:
    """Run a command and return what it wrote; RuntimeError with all of it when it fails."""
    if desc is not None:
        print(desc, flush=True)
    shell = isinstance(command, str)
    result = subprocess.run(command, shell=shell, capture_output=True, text=True, errors="replace")
    if result.returncode != 0:
        raise RuntimeError(f"{errdesc or 'The command failed'}: {command}\n{result.stdout}{result.stderr}".rstrip())
    return result.stdout


def run_pip(command: str, desc: str | None = None) -> str:
    """pip with the arguments in `command`, in this Python: run_pip("install numba", "numba")."""
    pip = f'"{sys.executable}" -m pip {command} --disable-pip-version-check'
    return run(pip, f"Installing {desc}" if desc else None, f"Could not install {desc or command}")


def is_installed(package: str) -> bool:
    """Whether a distribution or a module of this name is there."""
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        try:
            return importlib.util.find_spec(package) is not None
        except (ModuleNotFoundError, ValueError):
            return False
    return True


def __getattr__(name: str) -> argparse.Namespace:
    if name == "args":
        from modules.core.options import parse_options

        return parse_options(sys.argv[1:] if Path(sys.argv[0]).name in ("webui.py", "launch.py") else []).values
    raise AttributeError(name)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LaunchError as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit(130)
