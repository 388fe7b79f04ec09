"""How a request ends or restarts the server that answers it."""

from __future__ import annotations

import os
import sys
from typing import Protocol


class Stoppable(Protocol):
    should_exit: bool


class ServerControl:
    """Made before the app and its server; `attach` tells which server it is about."""

    def __init__(self) -> None:
        self.restart = False
        self._server: Stoppable | None = None

    def attach(self, server: Stoppable) -> None:
        self._server = server

    def stop(self, *, restart: bool = False) -> None:
        """End the server once it has answered the requests at hand."""
        assert self._server is not None, "stop() was called before attach()"
        self.restart = restart
        self._server.should_exit = True


def can_restart() -> bool:
    """Whether this process can put a new one in its place; on Windows the shell would come back meanwhile."""
    return os.name != "nt"


def restart_program() -> None:
    """Start this program anew with the same arguments, in this very process. Does not return."""
    arguments = [*sys.orig_argv[1:], *([] if "--no-browser" in sys.orig_argv else ["--no-browser"])]
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606  replaces this process
