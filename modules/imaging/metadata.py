"""A picture's papers inside its file: the infotext and our JSON request, written into and read from each format.

PNG: text chunks "parameters" (infotext, as A1111) and "easel" (request). JPEG, WEBP, AVIF: EXIF UserComment holds the
infotext ("UNICODE", UTF-16 big-endian, as A1111) and ImageDescription holds "easel:" and the request in UTF-8.
GIF: read only, its comment.
"""

from __future__ import annotations

import base64
import binascii
import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, PngImagePlugin, UnidentifiedImageError

from modules.core.errors import NotFoundError, UserError
from modules.imaging.infotext import whole_text

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF")  # the only decoders that strangers' files ever reach
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif")  # of their files, read from folders
MAX_PIXELS = 64_000_000
MAX_SHEET = 170_000_000  # pixels of a file of which only the papers are read, such as a large grid
MAX_TEXT = 1 << 20  # characters of one text item; longer ones are dropped on reading
MAX_BASE64 = 256 << 20  # characters
EXIF_LIMIT = 65_000  # bytes; one JPEG segment holds no more

_PNG_INFOTEXT, _PNG_REQUEST = "parameters", "easel"
_MARK = "easel:"
_IFD, _USER_COMMENT, _DESCRIPTION, _SOFTWARE = 0x8769, 0x9286, 0x010E, 0x0131
_EXIF_TEXTS = {
    **{0x010E: "ImageDescription", 0x010F: "Make", 0x0110: "Model"},
    **{0x0131: "Software", 0x013B: "Artist", 0x8298: "Copyright"},
}
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Papers:
    """What a file tells about its picture. `extra`: more text items by name; only PNG stores them."""

    infotext: str = ""
    request: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


def clean_text(text: str) -> str:
    """Text that every format can hold: halves of characters joined or replaced, NULs taken out."""
    return whole_text(text).replace("\0", "")


def png_texts(papers: Papers) -> PngImagePlugin.PngInfo:
    chunks = PngImagePlugin.PngInfo()
    if papers.infotext:
        chunks.add_text(_PNG_INFOTEXT, clean_text(papers.infotext))
    if papers.request:
        chunks.add_itxt(_PNG_REQUEST, clean_text(papers.request))
    for name, text in papers.extra.items():
        key = clean_text(name).encode("latin-1", "replace")[:79].strip()
        if key and key.decode("latin-1") not in (_PNG_INFOTEXT, _PNG_REQUEST):
            chunks.add_text(key, clean_text(text))  # pyright: ignore[reportArgumentType]  (bytes are taken as they are)
    return chunks


def exif_bytes(papers: Papers, limit: int | None = EXIF_LIMIT) -> bytes | None:
    """The EXIF block of these papers. Over `limit` bytes the request is left out; None when that is not enough."""
    request = papers.request
    for kept in [request, None] if request else [None]:
        exif = Image.Exif()
        exif[_SOFTWARE] = "Easel"
        if papers.infotext:
            exif.get_ifd(_IFD)[_USER_COMMENT] = b"UNICODE\0" + clean_text(papers.infotext).encode("utf-16-be")
        if kept:
            exif[_DESCRIPTION] = (_MARK + clean_text(kept)).encode("utf-8")
        raw = exif.tobytes()
        if limit is None or len(raw) <= limit:
            if kept != request:
                log.warning("The request does not fit into this format's metadata; only the infotext was stored.")
            return raw
    return None


def read_metadata(image: Image.Image) -> tuple[str | None, dict[str, str]]:
    """The infotext, or None, and all text items by name, "parameters" among them. Damaged metadata is skipped."""
    items = _png_or_comment_texts(image)
    for name, text in _exif_texts(image).items():
        items.setdefault(name, text)
    items = {name: text for name, text in items.items() if len(text) <= MAX_TEXT}
    return items.get(_PNG_INFOTEXT), items


def read_papers(source: Path | bytes) -> Papers:
    """The papers of a picture file; UserError when it is no picture that can be read."""
    with _open(source, MAX_SHEET) as image:
        infotext, items = read_metadata(image)
    items.pop(_PNG_INFOTEXT, None)
    request = items.pop(_PNG_REQUEST, None)
    return Papers(infotext or "", request, items)


def open_image(source: Path | bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """A decoded picture with its metadata in `.info`. UserError names what is wrong with it."""
    image = _open(source, max_pixels)
    try:
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise UserError(f"{_name(source)} is damaged: {error}.", hint="Save or download it again.") from error
    return image


def decode_base64_image(text: str, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """A picture from base64, bare or as a data URI. UserError when it is neither; web addresses are not fetched."""
    body = text.strip()
    if body[:8].lower().startswith(("http:", "https:")):
        raise UserError("A web address came where a picture was expected.", hint="Send the picture itself in base64.")
    if body[:5].lower() == "data:":
        head, comma, body = body.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise UserError("The data URI is not base64.", hint="It begins with data:image/png;base64,")
    if not body:
        raise UserError("The picture is empty.", hint="Send a picture in base64.")
    if len(body) > MAX_BASE64:
        raise UserError(f"The picture is over {MAX_BASE64 >> 20} MiB of base64.", hint="Send a smaller one.")
    body = "".join(body.split()).rstrip("=")
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UserError(f"The picture is not valid base64: {error}.", hint="Send a picture in base64.") from None
    return open_image(data, max_pixels=max_pixels)


def _name(source: Path | bytes) -> str:
    return source.name if isinstance(source, Path) else "This file"


def _open(source: Path | bytes, max_pixels: int) -> Image.Image:
    """Only the header is read here, so that a small file that claims a huge picture costs nothing."""
    name = _name(source)
    try:
        image = Image.open(source if isinstance(source, Path) else io.BytesIO(source), formats=FORMATS)
    except FileNotFoundError:
        raise NotFoundError(f"{name} does not exist.") from None
    except Image.DecompressionBombError:
        raise UserError(f"{name} has more than {max_pixels:,} pixels.", hint="Use a smaller one.") from None
    except UnidentifiedImageError:
        raise UserError(f"{name} is not a picture that can be read.", hint=f"{', '.join(FORMATS)} work.") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{name} could not be read: {error}.") from error
    if image.width * image.height > max_pixels:
        size = f"{image.width} x {image.height}"
        image.close()
        raise UserError(f"{name} is {size}, more than {max_pixels:,} pixels.", hint="Use a smaller one.")
    return image


def _png_or_comment_texts(image: Image.Image) -> dict[str, str]:
    if image.format == "PNG" and _PNG_INFOTEXT not in image.info and image.width * image.height <= MAX_PIXELS:
        try:
            image.load()  # text chunks may also stand after the pixels
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            log.info("The end of a PNG could not be read: %s", error)
    items = {name: str(text) for name, text in image.info.items() if isinstance(name, str) and isinstance(text, str)}
    comment = image.info.get("comment")
    if isinstance(comment, bytes):
        items["comment"] = _decode(comment)
    if image.format == "GIF" and "comment" in items:
        items.setdefault(_PNG_INFOTEXT, items.pop("comment"))
    return items


def _exif_texts(image: Image.Image) -> dict[str, str]:
    try:
        exif = image.getexif()
        tags, comment = dict(exif), exif.get_ifd(_IFD).get(_USER_COMMENT)
    except Exception as error:  # strangers' EXIF breaks the reader in many ways; a picture is worth more than its EXIF
        log.info("Damaged EXIF was skipped: %s", error)
        return {}
    items = {}
    for tag, name in _EXIF_TEXTS.items():
        value = tags.get(tag)
        if isinstance(value, (str, bytes)) and value:
            raw = value if isinstance(value, bytes) else value.encode("latin-1", "replace")
            items[name] = _decode(raw)
    if isinstance(comment, str):
        comment = comment.encode("latin-1", "replace")
    if isinstance(comment, bytes):
        ours = items.get("Software") == "Easel"
        text = _user_comment(comment, ours=ours)
        if text:
            items[_PNG_INFOTEXT] = text
    if items.get("ImageDescription", "").startswith(_MARK):
        items[_PNG_REQUEST] = items.pop("ImageDescription").removeprefix(_MARK)
    return items


def _decode(raw: bytes) -> str:
    raw = raw.rstrip(b"\0")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _user_comment(raw: bytes, *, ours: bool) -> str:
    """EXIF 2.32, 4.6.5: 8 bytes name the code. The byte order of UNICODE is not told: zero bytes give it away."""
    code, body = raw[:8], raw[8:]
    if code == b"UNICODE\0":
        if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return body.decode("utf-16", "replace")
        swapped = not ours and body[1::2].count(0) > body[0::2].count(0)
        return body.decode("utf-16-le" if swapped else "utf-16-be", "replace").rstrip("\0")
    if code in (b"ASCII\0\0\0", b"\0" * 8):
        return _decode(body)
    if code == b"JIS\0\0\0\0\0":
        return body.decode("iso2022_jp", "replace")
    return _decode(raw)
