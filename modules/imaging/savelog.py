"""log.csv beside the pictures that the Save button kept, with A1111's columns."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Mapping
from pathlib import Path

from modules.imaging.metadata import clean_text

COLUMNS = (
    "prompt",
    "seed",
    "width",
    "height",
    "sampler",
    "cfgs",
    "steps",
    "filename",
    "negative_prompt",
    "sd_model_name",
    "sd_model_hash",
)
_FIELDS = {
    "prompt": "Prompt",
    "seed": "Seed",
    "width": "Size-1",
    "height": "Size-2",
    "sampler": "Sampler",
    "cfgs": "CFG scale",
    "steps": "Steps",
    "negative_prompt": "Negative prompt",
    "sd_model_name": "Model",
    "sd_model_hash": "Model hash",
}
_lock = threading.Lock()


def log_row(fields: Mapping[str, str], filename: str) -> dict[str, str]:
    """A row from a parsed infotext; what that does not tell is empty."""
    return {**{column: fields.get(field, "") for column, field in _FIELDS.items()}, "filename": filename}


def append_log(folder: Path, row: Mapping[str, object]) -> Path:
    """Add one row to log.csv in `folder`, with the header first in a new file. Columns that are missing stay empty."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "log.csv"
    with _lock, open(path, "ab") as file:
        text = io.StringIO()
        writer = csv.writer(text)
        if file.tell() == 0:
            writer.writerow(COLUMNS)
        writer.writerow([clean_text(str(row.get(column, ""))) for column in COLUMNS])
        file.write(text.getvalue().encode("utf-8"))  # one write, so that rows of two programs do not mix
    return path
