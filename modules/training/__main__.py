"""`python -m modules.training CONFIG.toml [--set section.key=value]`: train, or continue what was begun."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

import torch

from modules.core.errors import EaselError
from modules.training.config import Config, read_config
from modules.training.datasets import fluent_emoji
from modules.training.loop import Method, train
from modules.training.processes import make_accelerator, placed


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m modules.training", description="Train a model from nothing.")
    parser.add_argument("config", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", dest="overrides")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        config = read_config(given.config, given.overrides)
        torch.set_num_threads(config.run.threads)
        stop = threading.Event()
        for kind in (signal.SIGINT, signal.SIGTERM):
            signal.signal(kind, lambda *_: stop.set())  # the state is saved after the step under way
        accelerator = make_accelerator(config.run)
        config = placed(config, accelerator)
        if not accelerator.is_main_process:
            logging.getLogger().setLevel(logging.WARNING)  # one voice for all processes
        with accelerator.main_process_first():  # which makes the caches that the others read
            method = make_method(config)
        result = train(config, method, stopping=stop.is_set)
        accelerator.end_training()
    except EaselError as error:
        logging.error("%s", error)
        return 1
    logging.info("The result is in %s", result)
    return 0


def make_method(config: Config) -> Method:
    pictures = fluent_emoji.load(Path(config.data.folder).expanduser(), config.data.size)
    if config.method == "autoencoder":
        from modules.training.methods.autoencoder import Autoencoder

        return Autoencoder(config, pictures)
    from modules.training.methods.latent_diffusion import LatentDiffusion

    return LatentDiffusion(config, pictures)


if __name__ == "__main__":
    sys.exit(main())
