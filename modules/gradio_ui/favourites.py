"""The Save button: copies of pictures in the folder for it (log/images), and their lines in log.csv."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from modules.gradio_ui.services import UiServices
from modules.imaging import saving
from modules.imaging.infotext import parse_infotext
from modules.imaging.names import NameContext, render_pattern
from modules.imaging.savelog import append_log, log_row


def save_favourites(services: UiServices, pictures: Sequence[Any], index: int) -> list[str]:
    """Names of the copies: of picture `index`, or of all when the settings say so. Files that are gone are left out."""
    chosen = [pictures[index]] if services.settings[saving.SAVE_SELECTED] else pictures
    return [save_favourite(services, Path(one.path), one) for one in chosen if Path(one.path).is_file()]


def save_favourite(services: UiServices, path: Path, picture: Any) -> str:
    """The copied file's name. The file is copied as it is, metadata included; an equal name gets a number."""
    settings = services.settings
    root = services.paths.data / Path(settings[saving.OUTDIR_SAVE].strip() or saving.OUTDIR_SAVE.default).expanduser()
    fields = parse_infotext(picture.infotext)
    folder = root
    if settings[saving.SAVE_BUTTON_TO_DIRS]:
        name = NameContext(seed=picture.seed, prompt=fields.get("Prompt", ""), time=datetime.now().astimezone())
        folder = root / render_pattern(settings[saving.FOLDER_PATTERN], name)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / path.name
    number = 1
    while target.exists() and target.read_bytes() != path.read_bytes():
        target = folder / f"{path.stem}-{number}{path.suffix}"
        number += 1
    shutil.copyfile(path, target)
    if settings[saving.SAVE_LOG]:
        append_log(root, log_row(fields, target.relative_to(root).as_posix()))
    return target.name
