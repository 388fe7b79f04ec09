"""The extra-networks browser's routes: its cards as HTML, small previews, notes kept, previews replaced."""

from __future__ import annotations

import hashlib
import html
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from PIL import Image
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from modules.core.errors import NotFoundError, UserError
from modules.core.files import inside, write_atomic
from modules.gradio_ui.cards import THUMBNAIL, Card
from modules.gradio_ui.reading import read_json
from modules.gradio_ui.services import UiServices
from modules.imaging.metadata import decode_base64_image, open_image, read_papers
from modules.imaging.saving import encode_image
from modules.jobs.pictures import HEADERS, picture_path
from modules.processing.models.sidecar import Sidecar, preview_place, write_sidecar

SIDES = (384, 512)  # pixels that a preview is made small to: twice what a card shows


def cards(services: UiServices, request: Request, body: bytes) -> Any:
    """{"html", "folders", "count"} of one page; `?refresh=1` looks for new files."""
    asked = request.query_params
    found = services.cards.list(asked.get("page", ""), refresh="refresh" in asked)
    folders = sorted({one.folder for one in found if one.folder}, key=str.casefold)
    return {"html": "".join(map(card_html, found)), "folders": folders, "count": len(found)}


def card(services: UiServices, request: Request, body: bytes) -> Any:
    """All that is known of one."""
    return asked_card(services, request).to_json()


def keep_notes(services: UiServices, request: Request, body: bytes) -> Any:
    """{"notes": {field: value}}: written beside the model. The card as it is afterwards."""
    found = asked_card(services, request)
    wish = read_json(body).get("notes")
    if not isinstance(wish, dict):
        raise UserError("notes is missing.", hint='Send {"notes": {"description": ...}}.', field="notes")
    write_sidecar(found.path, Sidecar(**{name: _note(wish, name, old) for name, old in asdict(found.notes).items()}))
    return again(services, found)


def keep_preview(services: UiServices, request: Request, body: bytes) -> Any:
    """{"job", "index"}: a job's picture becomes the card's, with its infotext. The card as it is afterwards."""
    found, wish = asked_card(services, request), read_json(body)
    index = wish.get("index")
    if not isinstance(index, int):
        raise UserError("index is not a number.", field="index")
    source = picture_path(services.queue.snapshot(str(wish.get("job", ""))).pictures, index)
    raw = encode_image(open_image(source), "png", read_papers(source))
    write_atomic(preview_place(found.path), raw)
    return again(services, found)


def thumb(services: UiServices, request: Request, body: bytes) -> Response:
    """A card's picture, made small: by ?page= and ?item=, or by the ?filename= of a picture that a card has."""
    name = request.query_params.get("filename")
    found = asked_card(services, request) if name is None else _pictured(services, name)
    if not found.pictured:
        raise NotFoundError(f"{found.name} has no preview.")
    return FileResponse(small_preview(services, found), media_type="image/webp", headers=HEADERS)


def metadata(services: UiServices, request: Request, body: bytes) -> Any:
    """A1111's: {"metadata": JSON as a text}."""
    return {"metadata": json.dumps(asked_card(services, request).to_json()["metadata"], indent=4, ensure_ascii=False)}


def single_card(services: UiServices, request: Request, body: bytes) -> Any:
    """A1111's: {"html"} of one card."""
    return {"html": card_html(asked_card(services, request))}


def asked_card(services: UiServices, request: Request) -> Card:
    asked = request.query_params
    return services.cards.find(asked.get("page", ""), asked.get("item") or asked.get("name", ""))


def again(services: UiServices, old: Card) -> dict[str, Any]:
    services.cards.list(old.page)
    now = services.cards.find(old.page, old.key)
    return {"card": now.to_json(), "html": card_html(now)}


def small_preview(services: UiServices, found: Card) -> Path:
    """A WebP of at most SIDES in the cache; made again when its source changes."""
    if found.preview is not None:
        stat = found.preview.stat()
        about = f"{found.preview}:{stat.st_mtime_ns}:{stat.st_size}"
    else:
        about = f"{found.path}:{found.modified}"
    path = services.paths.cache / "previews" / f"{hashlib.sha256(about.encode()).hexdigest()[:32]}.webp"
    if not path.is_file():
        image = open_image(found.preview) if found.preview else decode_base64_image(found.metadata[THUMBNAIL])
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        image.thumbnail(SIDES, Image.Resampling.LANCZOS)
        raw = io.BytesIO()
        image.save(raw, "WEBP", quality=82)
        write_atomic(path, raw.getvalue())
    return inside(services.paths.cache, path)


def card_html(found: Card) -> str:
    """One card under A1111's classes. Everything that comes from files is escaped."""
    escaped = html.escape
    notes, words = found.notes, bool(found.words) and found.page == "lora"
    data = {
        "page": found.page,
        "key": found.key,
        "name": found.name,
        "insert": found.insert,
        "family": found.family,
        "folder": found.folder,
        "weight": f"{notes.preferred_weight:g}" if notes.preferred_weight else "",
        "activation": notes.activation_text,
        "negative": notes.negative_text,
        "broken": found.broken,
        "sort-path": found.key.casefold(),
        "sort-name": found.name.casefold(),
        "sort-date_created": f"{found.created:017.3f}",
        "sort-date_modified": f"{found.modified:017.3f}",
    }
    about = " ".join(f'data-{name}="{escaped(value)}"' for name, value in data.items())
    sought = (found.key, found.facts.get("hash", ""), found.facts.get("alias", ""), notes.activation_text, notes.notes)
    terms = escaped(" ".join(sought))
    told = found.broken or notes.description
    buttons = [_button("words", "apply", "cards.words")] if words else []
    buttons.append(_button("details", "edit", "cards.details"))
    return (
        f'<div class="card{" broken" if found.broken else ""}" {about}>'
        f'<button type="button" class="card-main" title="{escaped(told or found.key)}">{_picture(found)}'
        f'<span class="actions"><span class="additional"><span class="search_terms">{terms}</span></span>'
        f'<span class="name">{escaped(found.name)}</span>'
        f'<span class="description">{escaped(told)}</span></span></button>'
        f'<div class="button-row">{"".join(buttons)}</div></div>'
    )


def _picture(found: Card) -> str:
    if not found.pictured:
        initial = html.escape(found.name[:1].upper())
        return f'<span class="preview no-preview" aria-hidden="true">{initial}</span>'
    version = found.preview.stat().st_mtime_ns if found.preview and found.preview.is_file() else found.modified
    query = urlencode({"page": found.page, "item": found.key, "v": version})
    return f'<img class="preview" src="sd_extra_networks/thumb?{html.escape(query)}" loading="lazy" alt="">'


def _button(action: str, icon: str, words: str) -> str:
    return (
        f'<button type="button" class="card-button tool-like" data-card="{action}" data-icon="{icon}" '
        f'data-t-title="{words}"></button>'
    )


def _pictured(services: UiServices, name: str) -> Card:
    """The card whose picture has this path: no other file is ever opened."""
    for page in ("lora", "checkpoints", "textual_inversion"):
        for one in services.cards.known(page):
            if one.preview is not None and one.preview == Path(name):
                return one
    raise NotFoundError("No card has such a picture.")


def _note(wish: dict[str, Any], name: str, old: str | float) -> Any:
    """The value of one field, in the type of the old one, which stays where the wish is silent."""
    value = wish.get(name, old)
    if isinstance(old, float):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UserError(f"{name} is {value!r}, but a number was expected.", field=name)
        return float(value)
    if not isinstance(value, str):
        raise UserError(f"{name} is {value!r}, but a text was expected.", field=name)
    return value
