"""Prompts from file or textbox: one request a line."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable

from modules.core.errors import UserError
from modules.core.files import inside
from modules.processing.info import Result
from modules.processing.requests import Generate
from modules.processing.samplers import samplers
from modules.processing.schedules import AUTOMATIC, split_combined_name
from modules.processing.scripts.call import Call
from modules.processing.scripts.fields import change
from modules.processing.scripts.script import Argument, Wish, register_script

GREEDY = ("prompt", "negative_prompt")  # these take all words up to the next option


def _flag(text: str) -> bool:
    if text.casefold() not in ("true", "false"):
        raise ValueError("true or false")
    return text.casefold() == "true"


def _sampler(text: str) -> str:
    """By name or alias; with its schedule, as in "DPM++ 2M Karras", it stays as it is."""
    name, schedule = split_combined_name(text)
    return name if schedule == AUTOMATIC else text


def _no_faces(text: str) -> bool:
    if _flag(text):
        raise UserError("Easel has no face detector.", hint="Crop the face and restore it in Extras.")
    return False


def _sampler_at(text: str) -> str:
    return samplers.names()[int(text)]


def _names(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(",") if one.strip())


def _not(text: str) -> bool:
    return not _flag(text)


OPTIONS: dict[str, tuple[str, Callable[[str], object]]] = {
    "prompt": ("prompt.positive", str),
    "negative_prompt": ("prompt.negative", str),
    "styles": ("prompt.styles", _names),
    "sd_model": ("model.checkpoint", str),
    "outpath_samples": ("after.folder", str),
    "seed": ("seed.seed", int),
    "subseed": ("seed.variation", int),
    "subseed_strength": ("seed.variation_strength", float),
    "seed_resize_from_h": ("seed.resize_from_height", int),
    "seed_resize_from_w": ("seed.resize_from_width", int),
    "sampler_index": ("sampling.sampler", _sampler_at),
    "sampler_name": ("sampling.sampler", _sampler),
    "batch_size": ("shape.batch_size", int),
    "n_iter": ("shape.batch_count", int),
    "steps": ("sampling.steps", int),
    "cfg_scale": ("sampling.cfg_scale", float),
    "width": ("shape.width", int),
    "height": ("shape.height", int),
    "restore_faces": ("", _no_faces),
    "tiling": ("model.tiling", _flag),
    "do_not_save_samples": ("after.save", _not),
    "do_not_save_grid": ("after.grid", _not),
}  # A1111's option: our field, and how its value is read
IGNORED = {
    "outpath_grids": "grids go to the folder of the settings",
    "prompt_for_display": "the prompt itself is shown",
}  # A1111's options that have no meaning here, and why


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of the text. `fields` by our names; `warnings`: options that were ignored."""

    fields: dict[str, object]
    warnings: tuple[str, ...] = ()


def read_lines(text: str) -> list[Line]:
    """One line each; a line that begins with "--" has options, any other is a prompt. UserError names the line."""
    found = ((at, one.strip()) for at, one in enumerate(text.splitlines(), 1))
    return [
        _options(line, at) if line.startswith("--") else Line({"prompt.positive": line}) for at, line in found if line
    ]


def _options(line: str, at: int) -> Line:
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise _wrong(at, f"a quotation mark is missing ({error})", "Close every quotation mark.") from None
    fields: dict[str, object] = {}
    warnings: list[str] = []
    while words:
        option = words.pop(0)
        name = option.removeprefix("--")
        if name == option:
            raise _wrong(at, f"{option!r} stands where an option was expected", "Quote values that have spaces.")
        taken: list[str] = []
        while words and not words[0].startswith("--") and (not taken or name in GREEDY):
            taken.append(words.pop(0))
        if not taken:
            raise _wrong(at, f"{option} has no value", "Write it after the option.")
        if name in IGNORED:
            warnings.append(f"Line {at}: {option} was ignored: {IGNORED[name]}.")
            continue
        if name not in OPTIONS:
            raise _wrong(at, f"unknown option {option}", f"Known: {', '.join(f'--{one}' for one in OPTIONS)}.")
        field, read = OPTIONS[name]
        try:
            value = read(" ".join(taken))
        except UserError as error:
            raise _wrong(at, f"{option}: {error.message}", error.hint) from error
        except (ValueError, IndexError) as error:
            raise _wrong(at, f"{option} cannot be {' '.join(taken)!r}", "Give a value of its kind.") from error
        if field:
            fields[field] = value
    return Line(fields, tuple(warnings))


def _wrong(at: int, what: str, hint: str) -> UserError:
    return UserError(f"Line {at} of the prompts: {what}.", hint=hint, field="script.prompts")


def _requests(wish: Wish) -> list[tuple[Generate, Line]]:
    """The request of each line, with the main prompts before or after its own."""
    found: list[tuple[Generate, Line]] = []
    request = dataclasses.replace(wish.request, after=dataclasses.replace(wish.request.after, grid=False))
    iterate = wish.flag("iterate_seed")
    main = {"prompt.positive": request.prompt.positive, "prompt.negative": request.prompt.negative}
    for line in read_lines(wish.text("prompts")):
        own = request
        for field, value in line.fields.items():
            if field in main and main[field] and value:
                parts = (value, main[field]) if wish.text("position") == "start" else (main[field], value)
                value = " ".join(map(str, parts))
            if field == "after.folder":
                inside(wish.engine.paths.data, str(value))  # raises when it is not
            own = change(own, field, value)
        found.append((own, line))
        if iterate:
            step = request.shape.batch_size * request.shape.batch_count
            request = change(request, "seed.seed", request.seed.seed + step)
    return found


@register_script(
    "Prompts from file or textbox",
    "One job a line. A line is a prompt, or options such as --prompt a red cat --steps 20.",
    arguments=(
        Argument(
            name="iterate_seed",
            label="Iterate seed every line",
            kind="checkbox",
            default=False,
            hint="Each line goes on from the seed of the last one.",
        ),
        Argument(
            name="same_seed",
            label="Use same random seed for all lines",
            kind="checkbox",
            default=False,
            hint="A seed of -1 is drawn once for all lines.",
        ),
        Argument(
            name="position",
            label="Insert prompts at the",
            kind="choice",
            default="start",
            choices=("start", "end"),
            hint="Where a line stands in the prompt above.",
        ),
        Argument(
            name="prompts", label="List of prompt inputs", kind="file", hint="Lines, typed or read from a text file."
        ),
    ),
    count=lambda wish: len(_requests(wish)),
    asks=lambda wish: [one for one, _ in _requests(wish)],
)
def prompts_from_file(call: Call) -> Result:
    for at, (request, line) in enumerate(_requests(call.wish), 1):
        call.make(request, f"Line {at}")
        call.warnings += line.warnings
    return call.result()
