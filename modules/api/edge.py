"""The outermost layer of the server: who may call, with what, and which headers every answer carries.

Pure ASGI, around everything (Gradio too, mounts and WebSockets); it decides on the path that the router sees, below
--subpath, never on a URL put together from the Host header. In order:
Host (421), origin (403), login (401, 429), addresses elsewhere (403), body size (413), then the app.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import json
import logging
import re
import secrets
import socket
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette._utils import get_route_path  # the router's own, so that edge and router never disagree

from modules.core.options import Login, Options

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PUBLIC = "/internal/ping"
API_ROOTS = ("/sdapi", "/api", "/docs", "/redoc", "/openapi.json")
SHARED_ROOTS = ("/internal",)  # the page's scripts and the API's clients both ask here
JSON_LIMIT = 100 * 1024 * 1024
UPLOAD_LIMIT = 200 * 1024 * 1024
WRONG_LOGINS = 10  # a minute and address
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
POLICY = b"frame-ancestors 'none'; object-src 'none'; base-uri 'self'"
GRADIO = ("/gradio_api",)  # where Gradio shows HTML and SVG of --gradio-allowed-path, under more than one address
REMOTE = re.compile(r"/gradio_api/(file[=/]+https?:|proxy=)", re.IGNORECASE)  # Gradio would fetch it for a visitor
REPLACED = frozenset(name for name, _ in HEADERS) | {b"server"}
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EdgePolicy:
    """`hosts`: allowed Host headers, lower case. `names`: hosts a proxy may add a port or TLS to (--allow-host)."""

    hosts: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    any_address: bool = False  # IP literals: a page of another site cannot rebind one
    page_logins: tuple[Login, ...] = field(default=(), repr=False)
    api_logins: tuple[Login, ...] = field(default=(), repr=False)
    cors_origins: frozenset[str] = frozenset()
    cors_regex: re.Pattern[str] | None = None


def edge_policy(options: Options, port: int, *, login: Login | None = None) -> EdgePolicy:
    """The policy of a server on `port`. `login`: the one made for a listening server that was given none."""
    local = {"127.0.0.1", "localhost", "[::1]"}
    if not options.loopback:
        local |= {socket.gethostname().lower(), socket.getfqdn().lower(), _bracketed(options.host)}
    hosts = {f"{name}:{port}" for name in local}
    if port in (80, 443):
        hosts |= local
    page, api = options.access.gradio_auth, options.access.api_auth
    made = (login,) if login else ()
    return EdgePolicy(
        hosts=frozenset(hosts),
        names=frozenset(name.lower() for name in options.network.allowed_hosts),
        any_address=not options.loopback,
        page_logins=page or api or made,  # the page can do what the API can: one login guards both
        api_logins=api or page or made,
        cors_origins=frozenset(one.rstrip("/").lower() for one in options.network.cors_origins if one != "*"),
        cors_regex=re.compile(options.network.cors_origin_regex) if options.network.cors_origin_regex else None,
    )


def login_for_listening(options: Options) -> Login | None:
    """A fresh login when the server is open to the network and was given none; it is to be printed once."""
    given = options.access.gradio_auth or options.access.api_auth
    if options.loopback or given or options.access.allow_unauthenticated_listen:
        return None
    return ("easel", secrets.token_urlsafe(16))


class Edge:
    """The middleware: Edge(app, policy) is an ASGI application."""

    def __init__(self, app: App, policy: EdgePolicy) -> None:
        self.app = app
        self.policy = policy
        self._guard = _LoginGuard()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = _Headers(scope)
        refusal = self._refusal(scope, headers)
        origin = headers.one(b"origin")
        cors = origin if origin and self._cors(origin) else None
        if scope["type"] == "websocket":
            if refusal:
                await send({"type": "websocket.close", "code": 1008, "reason": refusal.text})
                return
            await self.app(scope, receive, send)
            return
        answer = _Answer(scope, send, cors)
        if refusal:
            await answer.refuse(refusal)
        elif cors and scope["method"] == "OPTIONS" and headers.one(b"access-control-request-method"):
            await answer.preflight(headers)
        else:
            await self._bounded(scope, receive, headers, answer)

    def _refusal(self, scope: Scope, headers: _Headers) -> _Refusal | None:
        host = headers.only(b"host")
        if host is None or not self._host(host.lower()):
            return _Refusal(421, "This server does not go by that name. Start it with --allow-host NAME to add one.")
        if not self._origin(scope, headers, host.lower()):
            return _Refusal(403, "Requests from other sites are refused. --cors-allow-origins lets a site in.")
        preflight = scope["type"] == "http" and scope["method"] == "OPTIONS" and headers.one(b"origin")
        path = get_route_path(scope)
        if path == PUBLIC or (preflight and self._cors(headers.one(b"origin") or "")):
            return None
        logins = self._logins(path)
        if logins:
            address = (scope.get("client") or ("", 0))[0]
            refused = self._guard.check(headers.one(b"authorization"), logins, address)
            if refused:
                return refused
        if REMOTE.match(path):
            return _Refusal(403, "This server fetches nothing from other addresses.")
        return None

    def _logins(self, path: str) -> Sequence[Login]:
        if below(path, SHARED_ROOTS):
            return (*self.policy.page_logins, *self.policy.api_logins)
        return self.policy.api_logins if below(path, API_ROOTS) else self.policy.page_logins

    def _host(self, host: str) -> bool:
        if host in self.policy.hosts or host in self.policy.names:
            return True
        match = re.fullmatch(r"(\[[0-9a-f:.]+\]|[^:/?#@\\\s\[\]]+)(?::(\d{1,5}))?", host)
        if match is None:
            return False
        return match[1] in self.policy.names or (self.policy.any_address and _is_address(match[1]))

    def _origin(self, scope: Scope, headers: _Headers, host: str) -> bool:
        """Whether the page that asks is our own, an allowed one, or no page at all."""
        origin = headers.one(b"origin")
        if origin is not None:
            scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
            bare = re.sub(r":\d+$", "", host)
            ours = {f"{scheme}://{host}"}
            if bare in self.policy.names or host in self.policy.names:
                ours |= {f"https://{host}", f"http://{host}"}  # a proxy may end TLS in front of us
            return len(headers.all(b"origin")) == 1 and (origin.lower() in ours or self._cors(origin))
        if headers.one(b"sec-fetch-site") not in ("cross-site", "same-site"):
            return True
        navigation = headers.one(b"sec-fetch-mode") == "navigate" and headers.one(b"sec-fetch-dest") == "document"
        return scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and navigation

    def _cors(self, origin: str) -> bool:
        if origin.lower() in self.policy.cors_origins:
            return True
        return self.policy.cors_regex is not None and self.policy.cors_regex.fullmatch(origin) is not None

    async def _bounded(self, scope: Scope, receive: Receive, headers: _Headers, answer: _Answer) -> None:
        upload = (headers.one(b"content-type") or "").lower().startswith("multipart/")
        limit = UPLOAD_LIMIT if upload else JSON_LIMIT
        length = headers.one(b"content-length")
        came = f"has {length[:18]} bytes" if length and length.isdigit() else "is larger"
        too_large = _Refusal(413, f"The body {came}, but at most {limit} bytes ({limit // 2**20} MB) are taken.")
        if length is not None and (not length.isdigit() or len(length) > 18 or int(length) > limit):
            await answer.refuse(too_large)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            if seen > limit:
                return {"type": "http.disconnect"}
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                answer.instead = too_large
                return {"type": "http.disconnect"}
            return message

        try:
            await self.app(scope, counted, answer.send)
        except Exception as error:
            if answer.instead is None and answer.started:
                raise
            if answer.instead is None:
                log.exception("%s %s failed.", scope["method"], scope["path"])
            if not answer.started:
                await answer.refuse(answer.instead or _Refusal(500, "The server failed; its log says more.", error))


@dataclass(frozen=True)
class _Refusal:
    status: int
    text: str
    error: Exception | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()


class _Headers:
    def __init__(self, scope: Scope) -> None:
        self._items: list[tuple[bytes, bytes]] = [(name.lower(), value) for name, value in scope["headers"]]

    def all(self, name: bytes) -> list[str]:
        return [value.decode("latin-1") for key, value in self._items if key == name]

    def one(self, name: bytes) -> str | None:
        return next(iter(self.all(name)), None)

    def only(self, name: bytes) -> str | None:
        found = self.all(name)
        return found[0] if len(found) == 1 else None


class _Answer:
    """Sends the app's answer with our headers, or ours instead of it."""

    def __init__(self, scope: Scope, send: Send, cors: str | None) -> None:
        self.started = False
        self.instead: _Refusal | None = None
        self._scope, self._send, self._cors = scope, send, cors
        self._begun = time.perf_counter()

    async def send(self, message: Message) -> None:
        if self.instead is not None and not self.started:
            await self.refuse(self.instead)
            return
        if self.instead is not None:
            return
        if message["type"] == "http.response.start":
            self.started = True
            message = {**message, "headers": self._headers(message.get("headers", ()))}
        await self._send(message)

    async def refuse(self, refusal: _Refusal) -> None:
        name = {401: "Unauthorized", 403: "Forbidden", 413: "TooLarge", 421: "Misdirected", 429: "TooMany"}
        error = type(refusal.error).__name__ if refusal.error else name.get(refusal.status, "Error")
        reply = {"error": error, "detail": refusal.text, "body": "", "errors": refusal.text}
        # The rest of a body that was refused is not read, so the connection cannot be used again.
        extra = ((b"connection", b"close"),) if refusal.status == 413 else ()
        await self._whole(refusal.status, json.dumps(reply).encode(), (*refusal.headers, *extra))

    async def preflight(self, headers: _Headers) -> None:
        asked = (headers.one(b"access-control-request-headers") or "").encode("latin-1")
        allow = ((b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),)
        wanted = ((b"access-control-allow-headers", asked),) if asked else ()
        await self._whole(204, b"", (*allow, *wanted, (b"access-control-max-age", b"600")))

    async def _whole(self, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> None:
        self.started = True
        kind = ((b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()))
        start = {"type": "http.response.start", "status": status, "headers": self._headers((*kind, *headers))}
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})

    def _headers(self, given: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        kept, policy = [], POLICY + (b"; sandbox" if below(get_route_path(self._scope), GRADIO) else b"")
        for name, value in given:
            key = name.lower()
            if key == b"content-security-policy":
                policy = value if b"frame-ancestors" in value else value + b"; " + POLICY
            elif key not in REPLACED and not key.startswith(b"access-control-"):
                kept.append((name, value))
        kept += [*HEADERS, (b"content-security-policy", policy)]
        kept.append((b"x-process-time", f"{time.perf_counter() - self._begun:.4f}".encode()))
        if self._cors:
            kept.append((b"access-control-allow-origin", self._cors.encode("latin-1")))
            kept += [(b"access-control-allow-credentials", b"true"), (b"vary", b"Origin")]
        return kept


class _LoginGuard:
    """HTTP Basic in constant time; after too many wrong ones an address waits, except with a login proved before."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        self._proved: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, header: str | None, logins: Sequence[Login], address: str) -> _Refusal | None:
        ask = ((b"www-authenticate", b'Basic realm="Easel", charset="UTF-8"'),)
        if header is None:
            return _Refusal(401, "A login is needed.", headers=ask)
        digest = hashlib.sha256(header.encode("latin-1", "replace")).digest()
        right = self._right(header, logins)
        with self._lock:
            recent = self._recent(address)
            if len(recent) >= WRONG_LOGINS and not (right and (address, digest) in self._proved):
                wait = max(1, int(60 - (time.monotonic() - recent[0])))
                return _Refusal(
                    429, f"Too many wrong logins; wait {wait} s.", headers=((b"retry-after", str(wait).encode()),)
                )
            if right:
                self._proved[(address, digest)] = None
                while len(self._proved) > 1000:
                    self._proved.popitem(last=False)
                return None
            recent.append(time.monotonic())
            self._wrong[address] = recent
            while len(self._wrong) > 1000:
                self._wrong.popitem(last=False)
        return _Refusal(401, "Incorrect username or password", headers=ask)

    def _recent(self, address: str) -> deque[float]:
        recent = self._wrong.get(address) or deque(maxlen=WRONG_LOGINS)
        while recent and recent[0] < time.monotonic() - 60:
            recent.popleft()
        return recent

    @staticmethod
    def _right(header: str, logins: Sequence[Login]) -> bool:
        kind, _, value = header.partition(" ")
        if kind.lower() != "basic":
            return False
        try:
            given = base64.b64decode(value.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        mark = hashlib.sha256(given).digest()  # of equal length, so that the comparison tells nothing of the password's
        found = False
        for user, password in logins:  # all of them, so that time does not tell which user exists
            found |= hmac.compare_digest(mark, hashlib.sha256(f"{user}:{password}".encode()).digest())
        return found


def below(path: str, roots: Sequence[str]) -> bool:
    """Whether `path` is one of `roots` or under one."""
    return any(path == root or path.startswith(f"{root}/") for root in roots)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host.lower()
