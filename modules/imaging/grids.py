"""Several pictures on one sheet."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

from PIL import Image, ImageColor

from modules.core.errors import UserError
from modules.core.settings import Setting, Settings, define

SECTION = "Saving images/grids"
log = logging.getLogger(__name__)

N_ROWS = define(
    Setting(
        "n_rows",
        -1,
        "Grid rows",
        section=SECTION,
        minimum=-1,
        maximum=16,
        step=1,
        hint="-1: as square as it goes; 0: one row for each place in a batch.",
    )
)
NO_EMPTY_SPOTS = define(
    Setting("grid_prevent_empty_spots", False, "Prevent empty spots in grids", section=SECTION, hint="With rows at -1.")
)
BACKGROUND = define(
    Setting("grid_background_color", "#ffffff", "Colour of empty spots in grids", section=SECTION, hint="A CSS colour.")
)
MAX_SIZE_MP = define(
    Setting(
        "img_max_size_mp",
        200.0,
        "Largest grid (megapixels)",
        section=SECTION,
        minimum=1,
        maximum=10_000,
        hint="A plot that would be larger is refused before it begins.",
    )
)


def image_grid(
    images: Sequence[Image.Image],
    rows: int | None = None,
    *,
    batch_size: int = 1,
    settings: Settings | None = None,
) -> Image.Image:
    """The pictures row by row in cells as large as the largest, RGB. `rows` None: what the settings say."""
    if not images:
        raise ValueError("a grid needs a picture")
    settings = settings or Settings()
    count = len(images)
    rows = min(max(rows or _rows(count, batch_size, settings), 1), count)
    columns = math.ceil(count / rows)
    width, height = max(one.width for one in images), max(one.height for one in images)
    sheet = Image.new("RGB", (columns * width, rows * height), grid_colour(settings[BACKGROUND]))
    for at, image in enumerate(images):
        sheet.paste(
            image if image.mode == "RGB" else image.convert("RGB"), (at % columns * width, at // columns * height)
        )
    return sheet


def _rows(count: int, batch_size: int, settings: Settings) -> int:
    wanted = settings[N_ROWS]
    if wanted >= 0:
        return wanted or batch_size
    if settings[NO_EMPTY_SPOTS]:
        return next(rows for rows in range(math.isqrt(count), 0, -1) if count % rows == 0)
    return round(math.sqrt(count))


def check_size(pictures: int, width: int, height: int, settings: Settings) -> None:
    """UserError when a grid of so many pictures would be larger than the settings allow."""
    size, limit = pictures * width * height / 1e6, settings[MAX_SIZE_MP]
    if size > limit:
        raise UserError(
            f"The grid of {pictures} pictures would have {size:.0f} megapixels, but at most {limit:.0f} are allowed.",
            hint=f"Ask for fewer or smaller ones, or raise {MAX_SIZE_MP.label!r} in the settings.",
            field="script",
        )


def grid_colour(text: str) -> tuple[int, ...]:
    """RGB of a CSS colour; white, told in the log, when it is none."""
    try:
        return ImageColor.getrgb(text)[:3]
    except ValueError:
        log.warning("The grid colour %r is not a CSS colour; white is used.", text)
        return (255, 255, 255)
