"""Grids with words above their columns and beside their rows."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from modules.core.settings import Setting, Settings, define
from modules.imaging.grids import BACKGROUND, SECTION, grid_colour

INK = "#1c1b1a"
PAPER_INK = {True: INK, False: "#ece8e3"}  # on a light, on a dark background
FACES = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "SourceHanSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "msyh.ttc",
    "PingFang.ttc",
    "DroidSansFallbackFull.ttf",
)  # with Chinese, Japanese and Korean characters, where a system has one of them
log = logging.getLogger(__name__)

FONT = define(
    Setting(
        "font",
        "",
        "Font of the words in grids",
        section=SECTION,
        scope="admin",
        hint="A font file. Empty: a plain one, and for other scripts what the system has.",
    )
)


def labelled_grid(
    rows: Sequence[Sequence[Image.Image | None]],
    *,
    columns: Sequence[str] = (),
    sides: Sequence[str] = (),
    margin: int = 0,
    settings: Settings | None = None,
) -> Image.Image:
    """Pictures in cells as large as the largest, RGB, `margin` pixels apart; None leaves a cell empty.

    `columns` are written above, `sides` beside the rows, in as many lines as they take; empty ones take no room.
    """
    settings = settings or Settings()
    images = [one for row in rows for one in row if one is not None]
    if not images:
        raise ValueError("a grid needs a picture")
    width, height = max(one.width for one in images), max(one.height for one in images)
    words = _Words(settings[FONT], max(12, (width + height) // 25))
    left = width * 3 // 4 if any(sides) else 0
    heads = [words.wrap(text, width) for text in columns]
    notes = [words.wrap(text, left) for text in sides]
    top = max((words.height(lines) for lines in heads), default=0) + words.size if any(columns) else 0
    across = max(len(row) for row in rows)
    high = [max(height, words.height(notes[at]) if at < len(notes) else 0) for at in range(len(rows))]
    paper = grid_colour(settings[BACKGROUND])
    size = (left + across * width + (across - 1) * margin, top + sum(high) + (len(rows) - 1) * margin)
    sheet = Image.new("RGB", size, paper)
    draw, ink = ImageDraw.Draw(sheet), PAPER_INK[sum(paper) > 382]
    for at, lines in enumerate(heads):
        words.draw(draw, lines, (left + at * (width + margin) + width // 2, top // 2), ink)
    y = top
    for at, row in enumerate(rows):
        if at < len(notes):
            words.draw(draw, notes[at], (left // 2, y + high[at] // 2), ink)
        for column, image in enumerate(row):
            if image is not None:
                sheet.paste(image.convert("RGB"), (left + column * (width + margin), y))
        y += high[at] + margin
    return sheet


class _Words:
    """Lines of text of one size, each in a font that has its characters."""

    def __init__(self, font: str, size: int) -> None:
        self.size = size
        self._font = font
        self._line = round(size * 1.3)

    def height(self, lines: Sequence[str]) -> int:
        return len(lines) * self._line

    def wrap(self, text: str, width: int) -> list[str]:
        """Lines of at most `width` pixels, broken at spaces where there are some; a narrow margin is kept."""
        lines: list[str] = []
        for paragraph in text.split("\n") if text else []:
            line = ""
            for part in _parts(paragraph):
                if line.strip() and self._width(line + part) > width - self.size // 2:
                    lines.append(line.strip())
                    line = ""
                line += part
                while self._width(line) > width - self.size // 2 and len(line) > 1:
                    fits = next(n for n in range(len(line) - 1, 0, -1) if n == 1 or self._fits(line[:n], width))
                    lines.append(line[:fits])
                    line = line[fits:]
            lines.append(line.strip())
        return lines

    def draw(self, draw: ImageDraw.ImageDraw, lines: Sequence[str], middle: tuple[int, int], ink: str) -> None:
        x, y = middle[0], middle[1] - self.height(lines) // 2 + self._line // 2
        for line in lines:
            draw.text((x, y), line, fill=ink, font=_font(self._font, self.size, line.isascii()), anchor="mm")
            y += self._line

    def _fits(self, text: str, width: int) -> bool:
        return self._width(text) <= width - self.size // 2

    def _width(self, text: str) -> float:
        return _font(self._font, self.size, text.isascii()).getlength(text)


def _parts(text: str) -> list[str]:
    """Words, each with the space before it."""
    found = text.split(" ")
    return [found[0], *(f" {one}" for one in found[1:])]


@lru_cache(maxsize=32)
def _font(chosen: str, size: int, plain: bool) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The chosen font, else Pillow's own, which knows Latin letters only; for others a system's font where found."""
    if chosen:
        try:
            return ImageFont.truetype(Path(chosen).expanduser(), size)
        except OSError as error:
            log.warning("The font %s could not be read (%s); another one is used.", chosen, error)
    for name in () if plain else FACES:
        try:
            return ImageFont.truetype(name, size)  # Pillow looks into the system's folders
        except OSError:
            continue
    return ImageFont.load_default(size)
