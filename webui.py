"""The composition root: options, settings, engine, queue, API, page, server. Only this file knows every package."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING

from modules.core.errors import EaselError
from modules.core.options import Options, parse_options, paths_from
from modules.core.paths import Paths
from modules.core.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from modules.jobs.queue import JobQueue
    from modules.processing.engine import Engine

log = logging.getLogger("easel")

QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}  # nothing leaves this machine unless a person asks


def main(arguments: Sequence[str] | None = None) -> int:
    """Start as the command line says; the exit status."""
    options = parse_options(sys.argv[1:] if arguments is None else list(arguments))
    logging.basicConfig(level=options.run.loglevel.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    for note in options.notes:
        log.info("%s", note)
    try:
        return reproduce_picture(options) if options.mode.reproduce else serve(options)
    except EaselError as error:
        print(f"easel: {error}", file=sys.stderr)
        return 2


def serve(options: Options) -> int:
    """Answer the page and the API until stopped. The model loads in the background."""
    from modules.api.edge import Edge, edge_policy, login_for_listening
    from modules.api.serve import bind, open_browser_when_up, server_for, url_of
    from modules.jobs.generate import make_generate_handler
    from modules.jobs.queue import JobQueue
    from modules.jobs.store import JobStore

    paths = paths_from(options)
    prepare_folders(paths)
    settings, engine = make_engine(options, paths)
    limit = options.run.queue_limit or 10_000
    with bind(options) as sock:
        queue = JobQueue(
            JobStore(paths.database), {"generate": make_generate_handler(engine)}, limit=limit, settings=settings
        )
        app = application(engine, queue, options)
        login = login_for_listening(options)
        policy = edge_policy(options, sock.getsockname()[1], login=login)
        server = server_for(Edge(app, policy), options, queue.stop)
        url = url_of(options, sock)
        print(f"Easel is at {url}", flush=True)
        if login is not None:
            print(f"Login for other machines: {login[0]} / {login[1]}", flush=True)
        if options.mode.browser and not options.mode.nowebui:
            open_browser_when_up(server, url)
        threading.Thread(target=warm_up, args=(engine, queue, options), name="warm-up", daemon=True).start()
        stop_on_signals(server)
        try:
            server.run(sockets=[sock])
        finally:
            queue.stop(timeout_s=10)
    return 0


def application(engine: Engine, queue: JobQueue, options: Options) -> FastAPI:
    """All that answers, without the edge around it: the API, and the page unless --nowebui."""
    from modules.api.app import build_app
    from modules.api.services import Services

    services = Services(engine=engine, queue=queue, settings=engine.settings, paths=engine.paths, options=options)
    app = build_app(services)
    if not options.mode.nowebui:
        from modules.gradio_ui.app import build_ui, mount
        from modules.gradio_ui.services import UiServices

        page = UiServices(engine=engine, queue=queue, settings=engine.settings, paths=engine.paths, options=options)
        mount(app, build_ui(page), page)
    return app


def prepare_folders(paths: Paths) -> None:
    """The folders a person puts files in, and a data folder that only they may read where we made it."""
    if not paths.data.exists():
        paths.data.mkdir(parents=True, mode=0o700)
    wanted = (paths.outputs, paths.cache, *(paths.models / name for name in ("Stable-diffusion", "VAE", "VAE-approx")))
    for folder in wanted:
        folder.mkdir(parents=True, exist_ok=True)


def make_engine(options: Options, paths: Paths):
    """Settings and engine, told what the command line says about devices."""
    from modules.processing.engine import Engine
    from modules.processing.memory.device import use_device

    forced: dict[str, object] = {}
    if options.device.no_half or options.device.precision == "full":
        forced["memory_mode"] = "fp32"
    if not options.run.nan_check:
        forced["nan_check"] = False
    if options.run.checkpoint:
        forced["sd_model_checkpoint"] = options.run.checkpoint
    settings = Settings(paths.config, forced=forced)
    device = options.device.device_id
    use_device("cpu" if options.device.use_cpu else f"cuda:{device}" if device else "auto")
    engine = Engine(paths, settings, allow_pickle=options.access.allow_pickle, hashing=options.run.hashing)
    return settings, engine


def warm_up(engine, queue, options: Options) -> None:
    """Load the model, then let the worker take jobs; the page is answered meanwhile."""
    if options.run.preload_model:
        engine.preload()
    queue.start()
    engine.catalog.start_hashing()


def stop_on_signals(server) -> None:
    """One Ctrl+C or SIGTERM ends the server in order; uvicorn takes the signals over while it runs."""

    def stop(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def reproduce_picture(options: Options) -> int:
    """--reproduce FILE: make the picture again and say what differs. 0 when identical, else 1."""
    from modules.processing.reproduce import reproduce

    assert options.mode.reproduce is not None
    _, engine = make_engine(options, paths_from(options))
    answer = reproduce(engine, options.mode.reproduce)
    print(f"{options.mode.reproduce.name}: {answer}\nMade again as {answer.path}")
    return 0 if answer.identical else 1


if __name__ == "__main__":
    sys.exit(main())
