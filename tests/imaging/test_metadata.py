"""Papers come back from every format as they went in; bad files are refused with a cause, bad metadata is skipped."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from modules.core.errors import NotFoundError, UserError
from modules.imaging import metadata
from modules.imaging.metadata import Papers, decode_base64_image, exif_bytes, open_image, png_texts, read_papers

TEXT = "höher, 猫 😀 « ok »\nNegative prompt: 一一一\nSteps: 20, Sampler: Euler, Seed: 1"
REQUEST = '{"easel":1,"prompt":"猫 😀 \\u0000"}'


def encoded(papers: Papers, kind: str) -> bytes:
    data = io.BytesIO()
    if kind == "PNG":
        Image.effect_noise((8, 8), 50).convert("RGB").save(data, kind, pnginfo=png_texts(papers))
    else:
        Image.new("RGB", (8, 8)).save(data, kind, exif=exif_bytes(papers))
    return data.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF"])
@pytest.mark.parametrize("text", [TEXT, "plain", "一", "", "x" * 20_000])
def test_papers_come_back(kind: str, text: str):
    found = read_papers(encoded(Papers(text, REQUEST), kind))
    assert (found.infotext, found.request) == (text, REQUEST)


@settings(deadline=None, max_examples=60)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    kind=st.sampled_from(["PNG", "JPEG"]),
)
def test_any_text_comes_back(text: str, kind: str):
    assert read_papers(encoded(Papers(text), kind)).infotext == text


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_broken_characters_are_replaced(kind: str):
    found = read_papers(encoded(Papers("a\0b \ud83d\ude00 \ud800 c", "\udc00{}"), kind))
    assert found.infotext == "ab 😀 \ufffd c"
    assert found.request == "\ufffd{}"


def test_png_keeps_other_texts_but_not_in_place_of_ours():
    papers = Papers("info", None, {"workflow": "猫", "parameters": "forged", "名": "x", "": "y"})
    found = read_papers(encoded(papers, "PNG"))
    assert found.infotext == "info"
    assert found.extra == {"workflow": "猫", "?": "x"}


def test_a_request_too_long_for_exif_leaves_the_infotext():
    found = read_papers(encoded(Papers("info", "x" * 70_000), "JPEG"))
    assert (found.infotext, found.request) == ("info", None)
    assert exif_bytes(Papers("x" * 40_000)) is None


@pytest.mark.parametrize(
    ("code", "codec"), [(b"UNICODE\0", "utf-16-le"), (b"UNICODE\0", "utf-16"), (b"ASCII\0\0\0", "ascii")]
)
def test_other_programs_comments_are_read(code: bytes, codec: str):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = code + "a cat\nSteps: 1".encode(codec)
    data = io.BytesIO()
    Image.new("RGB", (8, 8)).save(data, "JPEG", exif=exif)
    assert read_papers(data.getvalue()).infotext == "a cat\nSteps: 1"


def test_gif_comment_is_the_infotext():
    data = io.BytesIO()
    Image.new("RGB", (8, 8)).save(data, "GIF", comment="a cät".encode())
    assert read_papers(data.getvalue()).infotext == "a cät"


def test_text_after_the_pixels_is_read():
    plain = encoded(Papers(), "PNG")
    body = b"tEXtparameters\0late"
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    assert read_papers(plain[:-12] + chunk + plain[-12:]).infotext == "late"


def test_huge_text_is_dropped():
    assert read_papers(encoded(Papers("x" * (metadata.MAX_TEXT + 1), "{}"), "PNG")) == Papers("", "{}", {})


def test_a_text_bomb_is_refused_or_dropped():
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("parameters", "x" * 50_000_000, zip=True)
    data = io.BytesIO()
    Image.new("RGB", (8, 8)).save(data, "PNG", pnginfo=chunks)
    with pytest.raises(UserError):
        read_papers(data.getvalue())


def test_damaged_exif_is_skipped():
    data = io.BytesIO()
    Image.new("RGB", (8, 8)).save(data, "JPEG", exif=b"Exif\0\0II*\0" + b"\xff" * 40)
    assert read_papers(data.getvalue()).infotext == ""
    assert open_image(data.getvalue()).size == (8, 8)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 400), st.binary(min_size=1, max_size=4), st.sampled_from(["PNG", "JPEG", "WEBP"]))
def test_damaged_files_raise_only_user_errors(at: int, junk: bytes, kind: str):
    data = bytearray(encoded(Papers(TEXT, REQUEST), kind))
    data[at : at + len(junk)] = junk
    for read in (read_papers, open_image):
        try:
            read(bytes(data))
        except UserError:
            continue


def test_a_picture_that_claims_too_much_is_refused_unread():
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = b"IHDR" + head
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    with pytest.raises(UserError, match="pixels"):
        open_image(png + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT")))
    with pytest.raises(UserError, match="8 x 8"):
        open_image(encoded(Papers(), "PNG"), max_pixels=63)


def test_other_formats_and_missing_files_are_refused(tmp_path: Path):
    data = io.BytesIO()
    Image.new("RGB", (8, 8)).save(data, "BMP")
    with pytest.raises(UserError, match="not a picture"):
        open_image(data.getvalue())
    with pytest.raises(NotFoundError, match=r"gone\.png"):
        open_image(tmp_path / "gone.png")
    with pytest.raises(UserError):
        open_image(tmp_path)
    with pytest.raises(UserError, match="damaged"):
        open_image(encoded(Papers(), "PNG")[:-60])


def test_base64_keeps_the_papers():
    plain = base64.b64encode(encoded(Papers(TEXT), "PNG")).decode()
    for text in (plain, f"data:image/png;base64,{plain}", f" {plain[:50]}\n{plain[50:]}", plain.rstrip("=")):
        assert metadata.read_metadata(decode_base64_image(text))[0] == TEXT


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("http://x/y.png", "address"),
        ("%%%%", "base64"),
        ("data:image/png,x", "URI"),
        ("aGVsbG8=", "picture"),
    ],
)
def test_bad_base64_is_told(text: str, told: str):
    with pytest.raises(UserError, match=told):
        decode_base64_image(text)
