"""`python -m modules.training CONFIG.toml [--set section.key=value]`: train, or continue what was begun."""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):  # a training asks nobody; the hub's library reads them once
    os.environ.setdefault(name, "1")

from modules.core.errors import EaselError
from modules.training.config import read_config
from modules.training.run import run_training


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m modules.training", description="Train a model from nothing.")
    parser.add_argument("config", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", dest="overrides")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        config = read_config(given.config, given.overrides)
        stop = threading.Event()
        for kind in (signal.SIGINT, signal.SIGTERM):
            signal.signal(kind, lambda *_: stop.set())  # the state is saved after the step under way
        result = run_training(config, stopping=stop.is_set)
    except EaselError as error:
        logging.error("%s", error)
        return 1
    logging.info("The result is in %s", result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
