"""The page: built once, mounted at /. Our scripts and styles stand in the raw HTML head, before everything else."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any, cast

import gradio as gr
from starlette._utils import get_route_path
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modules.core.registry import import_folder
from modules.core.version import VERSION
from modules.gradio_ui import options, routes, tabs, texts
from modules.gradio_ui.keys import chosen_keys
from modules.gradio_ui.offline import stay_offline
from modules.gradio_ui.script_box import script_words
from modules.gradio_ui.services import UiServices
from modules.gradio_ui.texts import text
from modules.gradio_ui.theme import easel_theme

SCRIPTS = (
    *("script", "words", "icons", "shell", "keys", "prompt", "advice", "gallery", "jobs", "styles", "cards", "send"),
    *("pnginfo", "canvas", "img2img", "hires", "accordions", "regions", "numbers", "scripts", "extras", "job_panel"),
    *("modelmerger", "settings", "queue", "community"),
)  # in this order
MAX_FILE_SIZE = "64mb"
import_folder("modules.gradio_ui.tabs")


def build_ui(services: UiServices) -> gr.Blocks:
    """All tabs of the registry, below the quick settings."""
    shown = sorted(tabs.tabs, key=lambda one: one.order)
    with gr.Blocks(title="Easel", analytics_enabled=False) as blocks:
        with gr.Row(elem_id="quicksettings"):
            gr.HTML(quick_settings())
        with gr.Column(elem_id="tabs"):
            with gr.Row(elem_classes=["tab-nav"]):
                for index, tab in enumerate(shown):
                    chosen = ["selected"] if index == 0 else []
                    name = f"tab_button_{tab.id}"
                    gr.Button(text(f"tab.{tab.id}"), elem_id=name, elem_classes=chosen, min_width=40)
            for tab in shown:
                with gr.Column(elem_id=f"tab_{tab.id}", elem_classes=["tabitem"]):
                    tab.build(services)
        version = f"<span>Easel {html.escape(VERSION)}</span>"
        gr.HTML(f'<span data-t="footer.local"></span> {version}', elem_id="footer")
    return blocks


def quick_settings() -> str:
    """Brand, checkpoint, chips; filled in by assets/shell.js."""
    return (
        '<div class="quick"><span class="brand">Easel</span>'
        '<div id="setting_sd_model_checkpoint" class="checkpoint">'
        '<label class="sr" for="checkpoint_choice" data-t="quick.checkpoint"></label>'
        '<select id="checkpoint_choice"></select>'
        '<button type="button" class="tool-like" id="refresh_checkpoints" data-icon="refresh" '
        'data-t-title="quick.refresh"></button></div>'
        '<div id="setting_sd_vae" class="checkpoint vae" hidden>'
        '<label for="vae_choice" data-t="quick.vae"></label>'
        '<select id="vae_choice" data-t-title="quick.vae_hint"></select></div>'
        '<div class="quick-chips"><span id="chip_model" class="chip" role="status"></span>'
        '<button type="button" id="chip_queue" class="chip" data-t-title="quick.queue"></button>'
        '<button type="button" id="mode_switch" class="chip" aria-pressed="false"></button>'
        '<button type="button" id="language_switch" class="chip" data-t-title="quick.language"></button>'
        '<button type="button" id="theme_switch" class="tool-like" data-icon="theme" data-t-title="quick.theme">'
        "</button>"
        "</div></div>"
    )


def mount(app: Starlette, blocks: gr.Blocks, services: UiServices) -> Starlette:
    """Serve `blocks` at / of `app`, our own routes first. Gradio serves files of --gradio-allowed-path only."""
    stay_offline()
    app.router.routes.extend(routes.routes(services))
    gr.mount_gradio_app(
        cast(Any, app),
        blocks,
        path="/",
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=MAX_FILE_SIZE,
        allowed_paths=[str(one) for one in services.options.access.gradio_allowed_paths],
        theme=easel_theme(),
        ssr_mode=False,
        pwa=False,
    )
    blocks.has_launched = True  # else FileData paths of clients are not checked
    mounted = next(one for one in reversed(app.router.routes) if isinstance(one, Mount))
    mounted.app = PageHead(mounted.app, services)
    return app


class PageHead:
    """Puts our styles and scripts into the head of the page that Gradio renders, and takes foreign addresses out."""

    def __init__(self, app: ASGIApp, services: UiServices) -> None:
        self.app = app
        self.services = services

    def __getattr__(self, name: str) -> Any:
        return getattr(self.app, name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or get_route_path(scope) not in ("", "/"):
            await self.app(scope, receive, send)
            return
        start: Message = {}
        body = b""

        async def collect(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            if message["type"] != "http.response.body":
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            page = rewrite(body, self.services)
            dropped = (b"content-length", b"content-encoding")
            headers = [(name, value) for name, value in start["headers"] if name.lower() not in dropped]
            headers += [(b"content-length", str(len(page)).encode()), (b"cache-control", b"no-store")]
            await send({**start, "headers": headers})
            await send({"type": "http.response.body", "body": page})

        plain = [(name, value) for name, value in scope["headers"] if name.lower() != b"accept-encoding"]
        await self.app({**scope, "headers": plain}, receive, collect)


def rewrite(page: bytes, services: UiServices) -> bytes:
    raw = page.decode("utf-8")
    before, found, after = raw.partition("<head>")
    if not found:
        return page
    kept = "\n".join(line for line in after.split("\n") if not foreign(line))
    return f"{before}<head>\n{head(services)}\n{kept}".encode()


def foreign(line: str) -> bool:
    """A line of the template that would make the browser ask another host."""
    return any(host in line for host in ("fonts.googleapis.com", "fonts.gstatic.com", "cdnjs.cloudflare.com"))


def head(services: UiServices) -> str:
    """Stylesheet, the page's constants as JSON, and the scripts in order; `v` makes a changed file a new one."""
    settings = services.settings
    facts = {
        "language": settings[options.LANGUAGE],
        "theme": settings[options.THEME],
        "refreshMs": settings[options.REFRESH_MS],
        "titleProgress": settings[options.PROGRESS_IN_TITLE],
        "weightStep": settings[options.ATTENTION_STEP],
        "networkStep": settings[options.NETWORK_STEP],
        "keys": chosen_keys(settings),
        "words": {code: {**texts.table(code), **script_words(code)} for code in texts.languages()},
    }
    raw = json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c")
    lines = ['<meta name="color-scheme" content="light dark">', f"<script>window.easel = {raw};</script>"]
    lines += [f'<script src="{asset(f"{name}.js")}"></script>' for name in SCRIPTS]
    lines.append(f'<link rel="stylesheet" href="{asset("easel.css")}">')
    user_css = services.paths.data / "user.css"
    if user_css.is_file():
        lines.append('<link rel="stylesheet" href="easel/user.css">')
    return "\n".join(lines)


def asset(name: str) -> str:
    path: Path = routes.ASSETS / name
    return f"assets/easel/{name}?v={path.stat().st_mtime_ns:x}"
