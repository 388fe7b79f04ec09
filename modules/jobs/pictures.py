"""A job's pictures as the world outside may have them: by index, with the name of the file and never its path."""

from __future__ import annotations

import dataclasses
import mimetypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modules.core.errors import NotFoundError
from modules.processing.progress import Picture

SHOWN = ("image/png", "image/jpeg", "image/webp", "image/avif")
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=3600"}


def picture_json(picture: Picture | Mapping[str, Any]) -> dict[str, Any]:
    """`picture`, as told or as it stands in a result."""
    value = dict(picture) if isinstance(picture, Mapping) else dataclasses.asdict(picture)
    value["name"] = Path(value.pop("path")).name
    return value


def picture_path(pictures: Sequence[Picture], index: int) -> Path:
    """The file of the picture; NotFoundError when there is none of that number, or the file is gone."""
    if not 0 <= index < len(pictures):
        raise NotFoundError(f"The job has {len(pictures)} pictures; there is no number {index}.")
    path = Path(pictures[index].path)
    if not path.is_file():
        raise NotFoundError(f"The file {path.name} is gone.", hint="It was moved or deleted after it was made.")
    return path


def picture_type(path: Path) -> str:
    """The media type to serve the file under: only pictures keep theirs, so that a browser runs nothing else."""
    guess = {".webp": "image/webp", ".avif": "image/avif"}.get(path.suffix.lower()) or mimetypes.guess_type(path)[0]
    return guess if guess in SHOWN else "application/octet-stream"
