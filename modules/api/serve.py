"""From the command line to a listening server: the socket, the URL, uvicorn's configuration."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
import webbrowser
from collections.abc import Callable

import uvicorn

from modules.api.edge import App, Receive, Scope, Send, below
from modules.core.errors import UserError
from modules.core.options import Options

BACKLOG = 2048


def bind(options: Options) -> socket.socket:
    """A bound socket, so that the port is known before serving (port 0 is a free one). UserError when it is taken."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((options.host, options.port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise UserError(
            f"Cannot listen on {options.host}, port {options.port}: {error.strerror}.",
            hint="Choose another with --port N; --port 0 takes a free one.",
        ) from error
    return sock


def url_of(options: Options, sock: socket.socket) -> str:
    """Where a browser on this machine finds the server."""
    scheme = "https" if options.network.tls_certfile else "http"
    host = "127.0.0.1" if options.host in ("0.0.0.0", "::", "localhost") else options.host  # noqa: S104
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}:{sock.getsockname()[1]}{options.network.subpath}/"


class Subpath:
    """Subpath(app, "/sd") answers below /sd what a proxy passes on, whether it cuts /sd off or leaves it there.

    uvicorn's own root_path takes the first kind of proxy only, and no browser without a proxy.
    """

    def __init__(self, app: App, subpath: str) -> None:
        self.app = app
        self.subpath = subpath

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            front = "" if below(scope["path"], (self.subpath,)) else self.subpath
            raw = front.encode() + (scope.get("raw_path") or b"")
            scope = {**scope, "root_path": self.subpath, "path": front + scope["path"], "raw_path": raw}
        await self.app(scope, receive, send)


class Server(uvicorn.Server):
    """Calls `stop` in a thread as soon as it is to end: calls that wait for a job are answered, streams close."""

    def __init__(self, config: uvicorn.Config, stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop = stop

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        stopped = asyncio.get_running_loop().run_in_executor(None, self._stop)
        await super().shutdown(sockets)
        await stopped


def server_for(app: App, options: Options, stop: Callable[[], None]) -> Server:
    """A uvicorn server; run it with `server.run(sockets=[sock])`. UserError when its TLS files cannot be used."""
    network = options.network
    config = uvicorn.Config(
        Subpath(app, network.subpath) if network.subpath else app,  # type: ignore[arg-type]  # our App is wider than asgiref's TypedDicts
        timeout_keep_alive=network.timeout_keep_alive_s,
        timeout_graceful_shutdown=5,
        ssl_keyfile=str(network.tls_keyfile) if network.tls_keyfile else None,
        ssl_certfile=str(network.tls_certfile) if network.tls_certfile else None,
        server_header=False,
        proxy_headers=False,  # X-Forwarded-* of a stranger must not change what the edge decides on
        h11_max_incomplete_event_size=64 * 1024,
        log_level="warning",
    )
    try:
        config.load()
    except OSError as error:  # of TLS alone: a file that is missing, unreadable, no certificate, of another key
        told = ", ".join(f"{one.name}" for one in (network.tls_certfile, network.tls_keyfile) if one)
        raise UserError(
            f"TLS cannot begin with {told}: {error.strerror or error}.",
            hint="--tls-certfile and --tls-keyfile name PEM files that belong together.",
        ) from error
    return Server(config, stop)


def open_browser_when_up(server: uvicorn.Server, url: str) -> None:
    """Open `url` in a person's browser as soon as the server answers, from a thread of its own."""

    def wait_and_open() -> None:
        while not server.started:
            if server.should_exit:
                return
            time.sleep(0.05)
        webbrowser.open(url)

    threading.Thread(target=wait_and_open, name="open-browser", daemon=True).start()
