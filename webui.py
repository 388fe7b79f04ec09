"""The composition root: options, settings, engine, queue, API, page, server. Only this file knows every package."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from modules.core.errors import EaselError, NotFoundError
from modules.core.files import write_atomic
from modules.core.options import Options, parse_options, paths_from
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.core.startup import StartupLog

if TYPE_CHECKING:
    from fastapi import FastAPI
    from uvicorn import Server

    from modules.api.control import ServerControl
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
    logging.basicConfig(level=options.log.level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    for note in options.notes:
        log.info("%s", note)
    try:
        if options.mode.dump_sysinfo:
            return dump_sysinfo(options)
        return reproduce_picture(options) if options.mode.reproduce else serve(options)
    except EaselError as error:
        print(f"easel: {error}", file=sys.stderr)
        return 2


def serve(options: Options) -> int:
    """Answer the page and the API until stopped; start anew where a request asked for it."""
    startup = StartupLog(told=options.log.startup)
    from modules.api.call_log import CallLog
    from modules.api.control import ServerControl, restart_program
    from modules.api.edge import Edge, edge_policy, login_for_listening
    from modules.api.serve import bind, open_browser_when_up, server_for, url_of

    startup.done("importing the server")
    paths = paths_from(options)
    prepare_folders(paths)
    engine = make_engine(options, paths)
    startup.done("settings and engine")
    with bind(options) as sock:
        queue = make_queue(engine, options)
        startup.done("queue")
        control = ServerControl()
        app = application(engine, queue, options, control)
        startup.done("page" if not options.mode.nowebui else "API")
        login = login_for_listening(options)
        edge = Edge(app, edge_policy(options, sock.getsockname()[1], login=login))
        server = server_for(CallLog(edge) if options.log.api_calls else edge, options, queue.stop)
        control.attach(server)
        url = url_of(options, sock)
        print(f"Easel is at {url}", flush=True)
        if login is not None:
            print(f"Login for other machines: {login[0]} / {login[1]}", flush=True)
        if options.mode.browser and not options.mode.nowebui:
            open_browser_when_up(server, url)
        warming = (engine, queue, options, startup)
        threading.Thread(target=warm_up, args=warming, name="warm-up", daemon=True).start()
        stop_on_signals(server)
        try:
            server.run(sockets=[sock])
        finally:
            queue.stop(timeout_s=10)
    if control.restart:
        restart_program()
    return 0


def make_queue(engine: Engine, options: Options) -> JobQueue:
    """The queue that was left behind at the last stop, or a new one. Nothing runs before its start()."""
    from modules.jobs.extras import make_extras_handler
    from modules.jobs.generate import make_generate_handler
    from modules.jobs.merge import make_merge_handler
    from modules.jobs.queue import JobQueue
    from modules.jobs.store import JobStore
    from modules.jobs.train import make_train_handler

    limit = options.run.queue_limit or 10_000
    handlers = {
        "generate": make_generate_handler(engine),
        "extras": make_extras_handler(engine),
        "merge": make_merge_handler(engine),
        "train": make_train_handler(engine.paths),
    }
    return JobQueue(JobStore(engine.paths.database), handlers, limit=limit, settings=engine.settings)


def application(engine: Engine, queue: JobQueue, options: Options, control: ServerControl | None = None) -> FastAPI:
    """All that answers, without the edge around it: the API, and the page unless --nowebui."""
    from modules.api.app import build_app
    from modules.api.control import ServerControl
    from modules.api.services import Services

    settings, paths = engine.settings, engine.paths
    services = Services(
        engine=engine,
        queue=queue,
        settings=settings,
        paths=paths,
        options=options,
        control=control or ServerControl(),
    )
    app = build_app(services)
    if not options.mode.nowebui:
        from modules.gradio_ui.app import build_ui, mount
        from modules.gradio_ui.services import UiServices

        page = UiServices(engine=engine, queue=queue, settings=settings, paths=paths, options=options)
        mount(app, build_ui(page), page)
    return app


def prepare_folders(paths: Paths) -> None:
    """The folders a person puts files in, and a data folder that only they may read where we made it."""
    if not paths.data.exists():
        paths.data.mkdir(parents=True, mode=0o700)
    wanted = (
        paths.outputs,
        paths.cache,
        *(paths.models / name for name in ("Stable-diffusion", "VAE", "VAE-approx", "ESRGAN")),
    )
    for folder in wanted:
        folder.mkdir(parents=True, exist_ok=True)


def make_settings(options: Options, path: Path) -> Settings:
    """The stored settings under what the command line says of them."""
    forced = {
        "memory_mode": options.device.memory_mode,
        "nan_check": None if options.run.nan_check else False,
        "filenames_max_length": options.saving.filenames_max_length,
        "unix_filenames_sanitization": options.saving.unix_filenames or None,
        "write_params_txt": None if options.saving.prompt_history else False,
        "enable_console_prompts": options.log.prompts or None,
    }
    initial = {"sd_model_checkpoint": options.run.checkpoint, "gradio_theme_mode": options.page.theme}
    return Settings(path, forced=_told(forced), initial=_told(initial))


def _told(values: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in values.items() if value is not None}


def make_engine(options: Options, paths: Paths) -> Engine:
    """The engine and its settings, told what the command line says about devices."""
    from modules.processing.engine import Engine
    from modules.processing.memory.device import use_device

    settings = make_settings(options, paths.config)
    device = options.device.device_id
    use_device("cpu" if options.device.use_cpu else f"cuda:{device}" if device else "auto")
    return Engine(paths, settings, allow_pickle=options.access.allow_pickle, hashing=options.run.hashing)


def warm_up(engine: Engine, queue: JobQueue, options: Options, startup: StartupLog) -> None:
    """Load the model, then let the worker take jobs; the page is answered meanwhile."""
    if options.run.checkpoint:
        try:
            engine.catalog.find_checkpoint(options.run.checkpoint)
        except NotFoundError as error:
            log.error("--ckpt names no checkpoint. %s", error)
    if options.run.preload_model:
        engine.preload()
        startup.done("model")
    prune_inputs(engine, queue)
    queue.start()
    engine.start_hashing()


def prune_inputs(engine: Engine, queue: JobQueue) -> None:
    """Delete pictures that no job of the queue works on, when they take more room than the settings allow."""
    from modules.imaging.inputs import LIMIT_MB, REFERENCE

    jobs = json.dumps([dict(one.request) for one in queue.list()])
    engine.inputs.prune(engine.settings[LIMIT_MB] << 20, keep=frozenset(REFERENCE.findall(jobs)))


def stop_on_signals(server: Server) -> None:
    """One Ctrl+C or SIGTERM ends the program in order.

    While uvicorn serves, it has handlers of its own; when it is done it puts these back and raises the signal again.
    By default that would kill the program there, before the queue has stopped.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def dump_sysinfo(options: Options) -> int:
    """--dump-sysinfo: write the system report into the data folder and say where it is."""
    from modules.gradio_ui import options as page_settings  # noqa: F401  known from here on
    from modules.jobs import extras as extras_settings  # noqa: F401
    from modules.jobs import queue as queue_settings  # noqa: F401
    from modules.processing.sysinfo import system_report

    paths = paths_from(options)
    settings = make_engine(options, paths).settings
    target = paths.data / time.strftime("sysinfo-%Y-%m-%d-%H-%M.json")
    write_atomic(target, json.dumps(system_report(options, settings, paths.data), indent=2) + "\n")
    print(f"The system report is in {target}")
    return 0


def reproduce_picture(options: Options) -> int:
    """--reproduce FILE: make the picture again and say what differs. 0 when identical, else 1."""
    from modules.processing.reproduce import reproduce

    assert options.mode.reproduce is not None
    engine = make_engine(options, paths_from(options))
    answer = reproduce(engine, options.mode.reproduce)
    print(f"{options.mode.reproduce.name}: {answer}\nMade again as {answer.path}")
    return 0 if answer.identical else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # before the server had its own way to stop
        sys.exit(130)
