"""Prompt matrix: every combination of the parts of a prompt that stand after a "|"."""

from __future__ import annotations

import dataclasses
import math

from PIL import Image

from modules.core.errors import UserError
from modules.imaging.grids import check_size
from modules.imaging.legends import labelled_grid
from modules.processing.info import Result
from modules.processing.requests import Generate
from modules.processing.scripts.call import Call
from modules.processing.scripts.fields import change
from modules.processing.scripts.script import MARGIN, Argument, Wish, register_script

TITLE = "Prompt matrix"
MOST = 12  # parts: 4096 pictures
DELIMITERS = {"comma": ", ", "space": " "}


@dataclasses.dataclass(frozen=True)
class Matrix:
    """`parts` come and go; picture k has part i where bit i of k is set."""

    wish: Wish
    main: str
    parts: tuple[str, ...]

    @property
    def count(self) -> int:
        return 2 ** len(self.parts)

    def chosen(self, number: int) -> list[str]:
        return [part for at, part in enumerate(self.parts) if number & 1 << at]

    def prompt(self, number: int) -> str:
        """The first part and those chosen, which go in front where that is asked."""
        chosen = self.chosen(number)
        words = [*chosen, self.main] if self.wish.flag("put_at_start") else [self.main, *chosen]
        return DELIMITERS[self.wish.text("delimiter")].join(one for one in words if one)

    def request(self, number: int, request: Generate) -> Generate:
        request = change(request, f"prompt.{self.wish.text('prompt_type')}", self.prompt(number))
        if self.wish.flag("different_seeds"):
            request = change(request, "seed.seed", request.seed.seed + number)
        return request


def read_matrix(wish: Wish) -> Matrix:
    prompt = wish.request.prompt
    text = prompt.positive if wish.text("prompt_type") == "positive" else prompt.negative
    main, *parts = (one.strip().strip(",") for one in text.split("|"))
    if len(parts) > MOST:
        raise UserError(
            f"{len(parts)} parts after a | would make {2 ** len(parts)} pictures.",
            hint=f"Use up to {MOST} parts.",
            field="script",
        )
    check_size(2 ** len(parts), wish.request.shape.width, wish.request.shape.height, wish.engine.settings)
    return Matrix(wish, main, tuple(parts))


@register_script(
    TITLE,
    "A picture for every combination of the parts of the prompt that stand after a |, and a grid of them.",
    arguments=(
        Argument(
            name="put_at_start",
            label="Put variable parts at start of prompt",
            kind="checkbox",
            default=False,
            hint="The parts after a | go in front of the first one.",
        ),
        Argument(
            name="different_seeds",
            label="Use different seed for each picture",
            kind="checkbox",
            default=False,
            hint="Each picture counts the seed up by one.",
        ),
        Argument(
            name="prompt_type",
            label="Select prompt",
            kind="choice",
            default="positive",
            choices=("positive", "negative"),
            hint="Which prompt has the |.",
        ),
        Argument(
            name="delimiter",
            label="Select joining char",
            kind="choice",
            default="comma",
            choices=tuple(DELIMITERS),
            hint="What stands between the parts.",
        ),
        MARGIN,
    ),
    count=lambda wish: read_matrix(wish).count,
)
def prompt_matrix(call: Call) -> Result:
    matrix = read_matrix(call.wish)
    base = change(call.wish.request, "after.grid", False)
    base = dataclasses.replace(base, shape=dataclasses.replace(base.shape, batch_size=1, batch_count=1))
    made = [
        call.make(matrix.request(at, base), ", ".join(matrix.chosen(at)) or matrix.main) for at in range(matrix.count)
    ]
    pictures = [one for result in made for one in result.pictures]
    if not pictures:
        return call.result()
    return call.result([call.keep_sheet(_sheet(matrix, made), "prompt_matrix"), *pictures])


def _sheet(matrix: Matrix, made: list[Result]) -> Image.Image:
    """Combinations of the later parts beside the rows, of the earlier ones above the columns."""
    across = 2 ** math.ceil(len(matrix.parts) / 2)
    images = [one.pictures[0].open() if one.pictures else None for one in made]
    legend = [", ".join(matrix.chosen(at)) for at in range(matrix.count)]
    return labelled_grid(
        [images[at : at + across] for at in range(0, len(images), across)],
        columns=legend[:across],
        sides=legend[::across],
        margin=matrix.wish.whole("margin_size"),
        settings=matrix.wish.engine.settings,
    )
