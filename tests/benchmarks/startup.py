"""Seconds from `python launch.py` to the first answered page: python tests/benchmarks/startup.py [warm starts]

Cold: the files of the environment are dropped from the page cache as far as the system lets us. Warm: straight after.
"""

from __future__ import annotations

import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 120.0


def seconds_to_page(data: str) -> float:
    """Start the server on a free port and ask until the page answers, 20 times a second."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flags = ["--no-browser", "--skip-install", "--port", str(port), "--data-dir", data]
    begun = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, str(ROOT / "launch.py"), *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while time.perf_counter() - begun < LIMIT_S:
            if server.poll() is not None:
                raise SystemExit(f"The server stopped with {server.returncode}.")
            with (
                contextlib.suppress(OSError, urllib.error.URLError),
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=LIMIT_S) as page,
            ):
                if page.read():
                    return time.perf_counter() - begun
            time.sleep(0.05)
        raise SystemExit(f"No page after {LIMIT_S:.0f} s.")
    finally:
        server.terminate()
        server.wait(30)


def drop_from_cache(folder: Path) -> None:
    """Ask the system to forget the pages of every file below `folder`."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            handle = os.open(path, os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as data:
        for folder in (ROOT / "venv", ROOT / "modules"):
            drop_from_cache(folder)
        cold = seconds_to_page(data)
        warm = [seconds_to_page(data) for _ in range(count)]
    print("start  runs  median s  worst s")
    print(f"cold   {1:4}  {cold:8.2f}  {cold:7.2f}")
    print(f"warm   {count:4}  {statistics.median(warm):8.2f}  {max(warm):7.2f}")


if __name__ == "__main__":
    main()
