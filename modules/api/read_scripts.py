"""A1111's scripts in a request: the one that makes the pictures, and always-on ones that are fields here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from modules.api.limits import MAX_PICTURES, check_limits
from modules.api.models import Img2Img, Txt2Img
from modules.core.errors import NotFoundError, UserError
from modules.processing.requests import Generate, ScriptCall, SoftInpainting
from modules.processing.samplers import samplers
from modules.processing.schedules import schedules
from modules.processing.scripts import Argument, read_wish, scripts
from modules.processing.scripts.script import BOTH, Tab

if TYPE_CHECKING:
    from modules.processing.engine import Engine

B = TypeVar("B", bound=Txt2Img | Img2Img)


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One argument of an always-on script; `field` is the request's of the same meaning."""

    label: str
    field: str
    value: Any = None
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: Callable[[Engine], Sequence[str]] = lambda engine: ()


@dataclass(frozen=True, kw_only=True)
class AlwaysOn:
    """A script of A1111 that is a part of every request here. `switch`: its first argument turns it on."""

    tabs: tuple[Tab, ...] = BOTH
    switch: bool = False
    slots: tuple[Slot, ...] = ()


SOFT = "soft inpainting"  # read with the mask
ALWAYS_ON: dict[str, AlwaysOn] = {
    "comments": AlwaysOn(),
    "refiner": AlwaysOn(
        switch=True,
        slots=(
            Slot(
                label="Checkpoint",
                field="refiner_checkpoint",
                value="None",
                choices=lambda engine: ["None", *(one.title for one in engine.catalog.checkpoints())],
            ),
            Slot(label="Switch at", field="refiner_switch_at", value=0.8, minimum=0.01, maximum=1.0, step=0.01),
        ),
    ),
    "sampler": AlwaysOn(
        slots=(
            Slot(label="Sampling steps", field="steps", value=20, minimum=1, maximum=150, step=1),
            Slot(
                label="Sampling method",
                field="sampler_name",
                value="DPM++ 2M",
                choices=lambda engine: samplers.names(),
            ),
            Slot(
                label="Schedule type",
                field="scheduler",
                value="Automatic",
                choices=lambda engine: schedules.names(),
            ),
        ),
    ),
    "seed": AlwaysOn(
        slots=(
            Slot(label="Seed", field="seed", value=-1),
            Slot(label="Extra", field="", value=False),
            Slot(label="Variation seed", field="subseed", value=-1),
            Slot(label="Variation strength", field="subseed_strength", value=0.0, minimum=0, maximum=1, step=0.01),
            Slot(label="Resize seed from width", field="seed_resize_from_w", value=0, minimum=0, maximum=2048, step=8),
            Slot(label="Resize seed from height", field="seed_resize_from_h", value=0, minimum=0, maximum=2048, step=8),
        ),
    ),
    SOFT: AlwaysOn(
        tabs=("img2img",),
        switch=True,
        slots=tuple(
            Slot(label=one.name.replace("_", " ").capitalize(), field="", value=one.default)
            for one in dataclasses.fields(SoftInpainting)
        ),
    ),
}


def with_always_on(body: B, tab: Tab) -> B:
    """`body` with what its always-on scripts say; UserError for one that is not part of Easel."""
    changes: dict[str, Any] = {}
    for title, asked in body.alwayson_scripts.items():
        name = title.strip().casefold()
        script = ALWAYS_ON.get(name)
        if name in scripts:
            raise _wrong(f"{title!r} is a script that makes the pictures.", "Send it as script_name.")
        if script is None or tab not in script.tabs:
            known = ", ".join(one for one, found in ALWAYS_ON.items() if tab in found.tabs)
            raise _wrong(f"alwayson_scripts asks for {title}, which Easel does not have.", f"There are: {known}.")
        if name != SOFT:
            changes |= _read_slots(title, script, asked)
    return body.model_copy(update=changes)


def _read_slots(title: str, script: AlwaysOn, asked: object) -> dict[str, Any]:
    args = asked.get("args", []) if isinstance(asked, Mapping) else None
    most = len(script.slots) + script.switch
    if not isinstance(args, list) or len(args) > most:
        raise _wrong(f"The args of {title} are {str(args)[:80]}, but a list of up to {most} was expected.")
    if script.switch and (not args or args[0] is not True):
        return {}
    given = args[1:] if script.switch else args
    found: dict[str, Any] = {}
    for slot, value in zip(script.slots, given, strict=False):
        field = Txt2Img.model_fields.get(slot.field)
        if field is None or value is None:
            continue
        number = isinstance(slot.value, (int, float))
        if isinstance(value, bool) or not isinstance(value, (int, float) if number else str):
            expected = "a number" if number else "text"
            raise _wrong(f"{slot.label} of {title} is {str(value)[:80]!r}, but {expected} was expected.")
        if number and isinstance(slot.value, int):
            if value != int(value):
                raise _wrong(f"{slot.label} of {title} is {value}, but a whole number was expected.")
            value = int(value)
        found[slot.field] = value
    return found


def _wrong(message: str, hint: str = "") -> UserError:
    return UserError(message, hint=hint, field="alwayson_scripts")


def read_script(name: str | None, args: list[Any] | dict[str, Any], tab: Tab) -> ScriptCall | None:
    """The script of a request. Its arguments by name, or in A1111's order, fewer or all of them; null: the default."""
    if not name:
        return None
    try:
        script = scripts.get(name)
    except NotFoundError as error:
        raise UserError(f"Script {name[:80]!r} not found.", hint=error.hint, field="script_name") from error
    if tab not in script.tabs:
        raise UserError(f"{script.title} does not work in {tab}.", field="script_name")
    if isinstance(args, dict):
        return ScriptCall(name=script.title, arguments={str(key): one for key, one in args.items() if one is not None})
    if len(args) > len(script.arguments):
        raise UserError(
            f"script_args has {len(args)} values, but {script.title} takes {len(script.arguments)}.",
            hint=f"In order: {', '.join(one.name for one in script.arguments)}.",
            field="script_args",
        )
    pairs = zip(script.arguments, args, strict=False)
    return ScriptCall(name=script.title, arguments={one.name: value for one, value in pairs if value is not None})


def check_script_limits(request: Generate, engine: Engine) -> None:
    """UserError when a request makes more or larger pictures through its script than the owner allows for one call."""
    if request.after.script is None:
        return
    script, wish = read_wish(request, engine)
    expected, asked = script.expected(wish), script.asks(wish)
    for one in asked:
        try:
            check_limits(one, engine.settings)
        except UserError as error:
            raise UserError(f"{script.title}: {error.message}", hint=error.hint, field="script_args") from error
    own = asked if len(asked) == expected else [wish.request] * expected
    pictures = sum(max(one.shape.batch_size, 1) * max(one.shape.batch_count, 1) for one in own)
    if pictures > engine.settings[MAX_PICTURES]:
        raise UserError(
            f"{script.title} would make {pictures} pictures, but at most {engine.settings[MAX_PICTURES]} are allowed.",
            hint=f"Send several requests; the owner can raise {MAX_PICTURES.key}.",
            field="script_args",
        )


def list_scripts() -> dict[str, list[str]]:
    """Names by tab, lower-case, as A1111 tells them."""
    return {
        tab: [
            *(name for name, one in ALWAYS_ON.items() if tab in one.tabs),
            *(one.title.lower() for one in scripts if tab in one.tabs),
        ]
        for tab in BOTH
    }


def script_info(engine: Engine) -> list[dict[str, Any]]:
    """Every script of every tab with its arguments, in the order in which `args` and `script_args` take them."""
    found: list[dict[str, Any]] = []
    for tab in BOTH:
        on = {"is_alwayson": True, "is_img2img": tab == "img2img"}
        for name, always in ((name, one) for name, one in ALWAYS_ON.items() if tab in one.tabs):
            args = [_info("Enable", False)] if always.switch else []
            for one in always.slots:
                limits = (one.minimum, one.maximum, one.step)
                args.append(_info(one.label, one.value, limits, one.choices(engine)))
            found.append({"name": name, **on, "args": args})
        for script in (one for one in scripts if tab in one.tabs):
            args = [_argument_info(one, engine, tab) for one in script.arguments]
            found.append({"name": script.title.lower(), **on, "is_alwayson": False, "args": args})
    return found


def _argument_info(argument: Argument, engine: Engine, tab: Tab) -> dict[str, Any]:
    choices = argument.numbered(tab) if argument.numbered else argument.options(engine, tab)
    return _info(argument.label, argument.default, (argument.minimum, argument.maximum, argument.step), choices)


def _info(
    label: str, value: Any, limits: tuple[Any, Any, Any] = (None, None, None), choices: Sequence[str] = ()
) -> Any:
    minimum, maximum, step = limits
    told = {"label": label, "value": value, "minimum": minimum, "maximum": maximum, "step": step}
    return {**told, "choices": list(choices) or None}
