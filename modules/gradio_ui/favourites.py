"""The Save button: a copy of the picture in log/images, and its line in log.csv."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from modules.gradio_ui.services import UiServices
from modules.imaging.infotext import parse_infotext
from modules.imaging.savelog import append_log, log_row


def save_favourite(services: UiServices, path: Path, picture: Any) -> str:
    """The copied file's name. The file is copied as it is, metadata included; an equal name gets a number."""
    folder = services.paths.data / "log" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / path.name
    number = 1
    while target.exists() and target.read_bytes() != path.read_bytes():
        target = folder / f"{path.stem}-{number}{path.suffix}"
        number += 1
    shutil.copyfile(path, target)
    append_log(folder, log_row(parse_infotext(picture.infotext), target.name))
    return target.name
