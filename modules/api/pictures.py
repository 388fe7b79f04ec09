"""Pictures inside a request: taken out of base64, measured, and kept where jobs find them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from PIL import Image

from modules.api.limits import MAX_INPUT_PIXELS
from modules.core.errors import UserError
from modules.core.settings import Settings
from modules.imaging.inputs import PREFIX, PictureStore
from modules.imaging.metadata import decode_base64_image

Keep = Callable[[str, str], str]  # (picture or reference, field) -> reference


def keeper(store: PictureStore, settings: Settings) -> Keep:
    """A function that keeps a picture and gives its reference; a reference stays as it is when there is such a picture.

    UserError names the field of what is no picture, or one larger than the owner allows.
    """

    def keep(text: str, field: str) -> str:
        if not text.startswith(PREFIX):
            return store.put(decoded(text, field, settings))
        with _named(field):
            store.path(text)
        return text

    return keep


def decoded(text: str, field: str, settings: Settings) -> Image.Image:
    """The picture of a base64 text or data URI; UserError names the field."""
    with _named(field):
        return decode_base64_image(text, max_pixels=settings[MAX_INPUT_PIXELS])


@contextmanager
def _named(field: str) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise UserError(f"{field}: {error.message}", hint=error.hint, field=field) from error


def keep_pictures(request: Mapping[str, Any], keep: Keep) -> dict[str, Any]:
    """The JSON of a Generate or an ExtrasRequest with a reference in the place of every picture in it.

    What is no text is left as it is.
    """
    request = dict(request)
    if isinstance(source := request.get("source"), Mapping):
        request["source"] = _with_source(source, "source", keep)
    after = request.get("after")
    if isinstance(after, Mapping) and isinstance(hires := after.get("hires"), Mapping):
        request["after"] = {**after, "hires": _with_text(hires, "first", "after.hires.first", keep)}
    return request


def _with_source(source: Mapping[str, Any], where: str, keep: Keep) -> dict[str, Any]:
    source = dict(source)
    if isinstance(images := source.get("images"), list):
        source["images"] = [
            keep(one, f"{where}.images[{index}]") if isinstance(one, str) else one for index, one in enumerate(images)
        ]
    if isinstance(pictures := source.get("pictures"), list):
        source["pictures"] = [
            _with_text(one, "picture", f"{where}.pictures[{index}].picture", keep) if isinstance(one, Mapping) else one
            for index, one in enumerate(pictures)
        ]
    if isinstance(init := source.get("init"), Mapping):
        source["init"] = _with_source(init, f"{where}.init", keep)
    if isinstance(mask := source.get("mask"), Mapping):
        source["mask"] = _with_text(mask, "image", f"{where}.mask.image", keep)
    return source


def _with_text(group: Mapping[str, Any], name: str, field: str, keep: Keep) -> dict[str, Any]:
    picture = group.get(name)
    return {**group, name: keep(picture, field)} if isinstance(picture, str) and picture else dict(group)
