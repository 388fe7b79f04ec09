"""Who asks: the person at this machine, or anyone else."""

from __future__ import annotations

import re

from starlette.requests import Request

CLIENTS = ("127.0.0.1", "::1")
NAMES = ("127.0.0.1", "localhost", "[::1]")
PASSED_ON = re.compile(r"forwarded|x-forwarded-.*|x-real-ip|via")  # what a proxy on this machine adds


def is_owner(request: Request) -> bool:
    """Whether this comes from this machine, by its own name and not through a proxy that serves others too."""
    local = request.client is not None and request.client.host in CLIENTS
    name = re.sub(r":\d+$", "", request.headers.get("host", "").lower())
    return local and name in NAMES and not any(PASSED_ON.fullmatch(one) for one in request.headers)
