"""The evaluation on paper: a table for the model card, JSON with every picture's result, a contact sheet."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from modules.core.errors import UserError
from modules.core.files import write_atomic
from modules.imaging.grids import image_grid
from modules.training.measures import Composed, Labelled, Measure

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
CELL, LINE, COLUMNS = 128, 12, 8  # pixels of a picture and of a caption's line; pictures in a row
MOST_BYTES = 400_000


@dataclass(frozen=True)
class Report:
    """`conditions`: what was measured, and how; JSON values."""

    conditions: dict[str, Any]
    measures: tuple[Measure, ...]
    labels: tuple[Labelled, ...]
    compositions: tuple[Composed, ...]

    def to_json(self) -> str:
        tree = {
            "conditions": self.conditions,
            "measures": [{**_finite(dataclasses.asdict(one)), "met": one.met} for one in self.measures],
            "labels": [dataclasses.asdict(one) for one in self.labels],
            "compositions": [dataclasses.asdict(one) for one in self.compositions],
        }
        return json.dumps(tree, indent=1, allow_nan=False) + "\n"

    def to_markdown(self) -> str:
        """One row a measure: value, bar, whether it is met, rule."""
        conditions = ", ".join(f"{name} {value}" for name, value in self.conditions.items())
        rows = ["| measure | value | bar | met | how |", "|---|---|---|---|---|"]
        for one in self.measures:
            value = f"{one.value:.{3 if not one.unit else 1}f} {one.unit}".strip()
            rows.append(f"| {one.name} | {value} | {one.bar} | {'yes' if one.met else 'no'} | {one.rule} |")
        return "\n".join([*rows, "", f"Measured by `python -m modules.training.evaluate`: {conditions}."])


def write_card(card: Path, block: str) -> None:
    """Replace what is between the two marker comments of `card`; nothing else changes."""
    write_atomic(card, replace_block(card.read_bytes().decode("utf-8"), block))


def check_card(card: Path) -> None:
    """UserError when `card` has no place for the table."""
    if not card.is_file():
        raise UserError(f"There is no model card {card}.")
    replace_block(card.read_text("utf-8"), "")


def replace_block(text: str, block: str) -> str:
    begin, end = text.find(BEGIN), text.find(END)
    if text.count(BEGIN) != 1 or text.count(END) != 1 or end < begin:
        raise UserError("The card has no place for the table.", hint=f"Put {BEGIN} and {END} where it belongs, once.")
    return f"{text[: begin + len(BEGIN)]}\n{block}\n{text[end:]}"


def write_sheet(path: Path, pictures: Sequence[np.ndarray], prompts: Sequence[str]) -> None:
    """The pictures with their prompts below, as a JPEG of at most 400 kB."""
    cells = [_captioned(picture, prompt) for picture, prompt in zip(pictures, prompts, strict=True)]
    sheet = image_grid(cells, rows=math.ceil(len(cells) / COLUMNS))
    for quality in (92, 85, 75, 60, 40):
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= MOST_BYTES:
            write_atomic(path, buffer.getvalue())
            return
    raise UserError(f"{len(cells)} pictures do not fit into a sheet of {MOST_BYTES} bytes.", hint="Show fewer.")


def _finite(tree: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity: an open end is null."""
    return {key: None if isinstance(one, float) and math.isinf(one) else one for key, one in tree.items()}


def _captioned(picture: np.ndarray, prompt: str) -> Image.Image:
    cell = Image.new("RGB", (CELL, CELL + 2 * LINE + 4), "white")
    cell.paste(Image.fromarray(picture).resize((CELL, CELL), Image.Resampling.LANCZOS))
    text = "\n".join(textwrap.wrap(prompt, CELL // 5)[:2])
    place = (CELL / 2, CELL)
    ImageDraw.Draw(cell).multiline_text(
        place, text, "black", ImageFont.load_default(10), anchor="ma", align="center", spacing=1
    )
    return cell
