"""X/Y/Z plot: every combination of the values of up to three axes, drawn as one grid."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from modules.core.errors import UserError
from modules.imaging.grids import check_size, image_grid
from modules.imaging.infotext import add_fields
from modules.imaging.legends import labelled_grid
from modules.processing.info import Result
from modules.processing.passes import hires_sizes
from modules.processing.progress import Picture
from modules.processing.requests import Generate, JsonValue
from modules.processing.scripts.call import Call
from modules.processing.scripts.fields import SEEDS, change
from modules.processing.scripts.script import MARGIN, Argument, Wish, register_script
from modules.processing.scripts.xyz_axes import NOTHING, Axis, Value, axes, axis_names, numbered_axes
from modules.processing.scripts.xyz_values import join_values, split_values

if TYPE_CHECKING:
    from modules.processing.engine import Engine

TITLE = "X/Y/Z plot"
LETTERS = "xyz"
SEED_AXES = ("Seed", "Var. seed")
Place = tuple[int, int, int]  # of a cell, along x, y, z


@dataclass(frozen=True, kw_only=True)
class Line:
    """One axis of a plot. `typed` are the values as they came, for the infotext; `fixed`: its -1s were drawn."""

    letter: str
    axis: Axis
    typed: str
    values: Sequence[Value]
    fixed: bool = False

    @property
    def legends(self) -> list[str]:
        return [self.axis.legend(one) for one in self.values]

    @property
    def fields(self) -> dict[str, object]:
        """What an infotext says of it."""
        name = self.letter.upper()
        if self.axis.label == NOTHING:
            return {}
        found: dict[str, object] = {f"{name} Type": self.axis.label, f"{name} Values": self.typed}
        if self.fixed:
            found[f"Fixed {name} Values"] = ", ".join(map(str, self.values))
        return found


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A wish, read: three lines, and the request that they change."""

    wish: Wish
    request: Generate
    lines: tuple[Line, Line, Line]

    @property
    def size(self) -> Place:
        x, y, z = (len(one.values) for one in self.lines)
        return x, y, z

    @property
    def drawn(self) -> dict[str, JsonValue]:
        """The arguments of axes whose -1s were drawn, as they were."""
        return {f"{one.letter}_values": ", ".join(map(str, one.values)) for one in self.lines if one.fixed}

    def cells(self) -> list[Place]:
        """All places; what is slow to change changes the least."""
        outer = sorted(range(3), key=lambda at: (-self.lines[at].axis.cost, -at))
        turns = itertools.product(*(range(self.size[at]) for at in outer))
        return [tuple(one[outer.index(at)] for at in range(3)) for one in turns]  # pyright: ignore[reportReturnType]

    def cell(self, place: Place) -> Generate:
        """The request of one cell."""
        request = self.request
        for line, at in zip(self.lines, place):
            request = line.axis.change(request, line.values[at], line.values)
        more, stride = 0, 1
        for letter, at, count in zip(LETTERS, place, self.size):
            if self.wish.flag(f"vary_seeds_{letter}"):
                more, stride = more + at * stride, stride * count
        seed = request.seed.seed
        return change(request, "seed.seed", seed + more) if more and seed >= 0 else request

    def title(self, place: Place) -> str:
        return ", ".join(filter(None, (line.legends[at] for line, at in zip(self.lines, place))))


def read_plot(wish: Wish) -> Plot:
    """UserError when an axis or one of its values is not to be had, or when the grid would be too large."""
    request = change(wish.request, "after.grid", False)
    x, y, z = (_read_line(wish, letter, wish.flag("no_fixed_seeds")) for letter in LETTERS)
    plot = Plot(wish=wish, request=request, lines=(x, y, z))
    sizes = [_size(wish.engine.resolve(request).request)]
    for line in plot.lines:
        sizes += [_size(one) for one in _tried(line, plot)]
    shape, (columns, rows, sheets) = request.shape, plot.size
    pictures = columns * rows * sheets * shape.batch_size * shape.batch_count
    check_size(pictures, max(one[0] for one in sizes), max(one[1] for one in sizes), wish.engine.settings)
    return plot


def _read_line(wish: Wish, letter: str, keep: bool) -> Line:
    axis = axes.get(wish.text(f"{letter}_type"))
    typed, picked = wish.text(f"{letter}_values"), wish.several(f"{letter}_values_dropdown")
    if axis.choices is None or wish.flag("csv_mode"):
        picked = []
    values = axis.read(typed, picked)
    fixed = axis.label in SEED_AXES and not keep
    if fixed:
        values = [random.randrange(SEEDS) if one == -1 else one for one in values]
    return Line(
        letter=letter, axis=axis, typed=join_values(picked) if picked else typed.strip(), values=values, fixed=fixed
    )


def _tried(line: Line, plot: Plot) -> list[Generate]:
    """The plot's request with each value of a line: all are told from wrong ones before anything is made."""
    values = line.values
    if line.axis.kind in ("whole", "real"):
        values = list(dict.fromkeys([min(values), max(values)]))  # what lies between is as good
    found: list[Generate] = []
    for value in values:
        try:
            asked = line.axis.change(plot.request, value, line.values)
            found.append(plot.wish.engine.resolve(asked).request)
        except UserError as error:
            legend = line.axis.legend(value)
            raise UserError(
                f"{line.letter.upper()} axis, {legend}: {error.message}",
                hint=error.hint,
                field=f"script.{line.letter}_values",
            ) from error
    return found


def _size(request: Generate) -> tuple[int, int]:
    """Pixels of one picture, after its second pass where it has one."""
    shape, hires = request.shape, request.after.hires
    return hires_sizes(shape.width, shape.height, hires)[1] if hires else (shape.width, shape.height)


def _count(wish: Wish) -> int:
    x, y, z = read_plot(wish).size
    return x * y * z


def _asks(wish: Wish) -> list[Generate]:
    plot = read_plot(wish)
    return [plot.cell(place) for place in plot.cells()]


def _paste(fields: dict[str, str]) -> dict[str, JsonValue]:
    """The axes that an infotext tells of; seeds that were drawn instead of -1 are those drawn."""
    found: dict[str, JsonValue] = {}
    for letter in LETTERS:
        name = letter.upper()
        label = fields.pop(f"{name} Type", NOTHING)
        axis = axes.get(label) if label in axes else axes.get(NOTHING)
        typed, fixed = fields.pop(f"{name} Values", ""), fields.pop(f"Fixed {name} Values", "")
        found[f"{letter}_type"] = axis.label
        found[f"{letter}_values"] = fixed or typed
        found[f"{letter}_values_dropdown"] = [*split_values(typed)] if axis.choices else []
    return found


def _axis_arguments(letter: str, default: str) -> tuple[Argument, ...]:
    name = letter.upper()
    return (
        Argument(
            name=f"{letter}_type",
            label=f"{name} type",
            kind="choice",
            default=default,
            choices=lambda engine, tab: axis_names(tab),
            numbered=numbered_axes,
            hint="What changes along this axis.",
        ),
        Argument(
            name=f"{letter}_values",
            label=f"{name} values",
            kind="text",
            hint='Commas between: 1, 2 or 1-5 or 1-10 (+2) or 1-10 [5]; words with a comma in "quotation marks".',
        ),
        Argument(
            name=f"{letter}_values_dropdown",
            label=f"{name} choices",
            kind="several",
            default=[],
            follows=(f"{letter}_type", _picks),
            hint="Values to pick from, where the type has a list of them.",
        ),
    )


def _flag(name: str, label: str, hint: str, *, default: bool = False) -> Argument:
    return Argument(name=name, label=label, kind="checkbox", default=default, hint=hint)


def _picks(engine: Engine, kind: JsonValue) -> Sequence[str]:
    choices = axes.get(str(kind)).choices if str(kind) in axes else None
    return choices(engine) if choices else ()


@register_script(
    TITLE,
    "A grid of every combination of up to three things that change, such as steps, samplers or words of the prompt.",
    arguments=(
        *_axis_arguments("x", "Seed"),
        *_axis_arguments("y", NOTHING),
        *_axis_arguments("z", NOTHING),
        _flag("draw_legend", "Draw legend", "Writes the values beside the pictures.", default=True),
        _flag("include_lone_images", "Include sub images", "Shows every picture after the grid."),
        _flag("include_sub_grids", "Include sub grids", "Shows the grid of each Z value too."),
        _flag("no_fixed_seeds", "Keep -1 for seeds", "Every picture draws a seed of its own."),
        _flag("vary_seeds_x", "Vary seeds for X", "Each column counts the seed up by one."),
        _flag("vary_seeds_y", "Vary seeds for Y", "Each row counts the seed up."),
        _flag("vary_seeds_z", "Vary seeds for Z", "Each sub-grid counts the seed up."),
        MARGIN,
        _flag("csv_mode", "Use text inputs instead of dropdowns", "The values are those typed, not those picked."),
    ),
    count=_count,
    asks=_asks,
    paste=_paste,
    draws=lambda wish: wish.flag("no_fixed_seeds"),
)
def xyz_plot(call: Call) -> Result:
    plot = read_plot(call.wish)
    call.whole = change(call.whole, "after.script.arguments", {**call.wish.arguments, **plot.drawn})
    made: dict[Place, Result] = {}
    for place in plot.cells():
        made[place] = call.make(plot.cell(place), plot.title(place))
    if not any(one.pictures for one in made.values()):
        return call.result()
    return call.result(_pictures(call, plot, made))


def _pictures(call: Call, plot: Plot, made: Mapping[Place, Result]) -> list[Picture]:
    """The grid, then its sub-grids and the cells' own pictures where they are asked for."""
    wish, (x, y, z) = call.wish, plot.size
    sheets = [_sheet(plot, made, at) for at in range(z)]
    whole = sheets[0]
    if z > 1:
        heads = plot.lines[2].legends if wish.flag("draw_legend") else ()
        whole = labelled_grid([sheets], columns=heads, settings=wish.engine.settings)
    told: list[Picture] = []
    if whole is not None:
        told.append(_keep(call, plot, made, whole, plot.cells()))
    if wish.flag("include_sub_grids") and z > 1:
        for at, sheet in enumerate(sheets):
            if sheet is not None:
                places = [(column, row, at) for row in range(y) for column in range(x)]
                told.append(_keep(call, plot, made, sheet, places))
    if wish.flag("include_lone_images"):
        places = itertools.product(range(z), range(y), range(x))
        told += [one for k, j, i in places for one in made[i, j, k].pictures]
    return told


def _sheet(plot: Plot, made: Mapping[Place, Result], at: int) -> Image.Image | None:
    """One z's cells, a row for each y; None when nothing was made of it."""
    x, y, _ = plot.size
    settings, legend = plot.wish.engine.settings, plot.wish.flag("draw_legend")
    rows = [[_picture(made[column, row, at]) for column in range(x)] for row in range(y)]
    if not any(one is not None for row in rows for one in row):
        return None
    return labelled_grid(
        rows,
        columns=plot.lines[0].legends if legend else (),
        sides=plot.lines[1].legends if legend else (),
        margin=plot.wish.whole("margin_size"),
        settings=settings,
    )


def _picture(result: Result) -> Image.Image | None:
    """What a cell shows: its picture, or all of its batch on a sheet."""
    images = [one.open() for one in result.pictures]
    return None if not images else images[0] if len(images) == 1 else image_grid(images)


def _keep(call: Call, plot: Plot, made: Mapping[Place, Result], sheet: Image.Image, places: Sequence[Place]) -> Picture:
    """Save a sheet of some cells with the papers of the first that was made, and what the axes were."""
    place = min((one for one in places if made[one].pictures), key=lambda one: one[::-1])
    first = made[place].pictures[0]
    lines = plot.lines if len({one[2] for one in places}) > 1 else plot.lines[:2]
    fields: dict[str, object] = {"Script": TITLE}
    for line in lines:
        fields |= line.fields
    request = plot.cell(place)
    seeds = dataclasses.replace(request.seed, seed=first.seed, variation=first.variation_seed)
    request = dataclasses.replace(request, seed=seeds, after=plot.wish.request.after)
    return call.keep(sheet, request, add_fields(first.infotext, fields), grid="xyz_grid")
