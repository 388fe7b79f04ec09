"""What a script is, what it may be told, and the registry of all of them. Without torch."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from modules.core.errors import UserError
from modules.core.registry import Registry
from modules.processing.requests import Generate, JsonValue, Noise, ScriptCall
from modules.processing.scripts.fields import with_fixed_seeds

if TYPE_CHECKING:
    from modules.processing.engine import Engine
    from modules.processing.info import Result
    from modules.processing.scripts.call import Call

Tab = Literal["txt2img", "img2img"]
ARGUMENTS = "Script arguments"  # in infotexts of sheets: JSON
BOTH: tuple[Tab, ...] = ("txt2img", "img2img")


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One thing that a script is told. A number is whole when its default is.

    `kind`: "several" takes any number of its choices; "file" is text, typed or read from a file; "note" holds a place
    in A1111's list of arguments and has no value. `choices` may be asked of the engine, for one tab. `numbered`: the
    names behind A1111's numbers on a tab, where they are not the choices in order. `follows`: another argument, and
    what its value offers here; anything may be given then. `hint`: one line of what it does to the pictures.
    """

    name: str
    label: str
    kind: Literal["text", "multiline", "number", "slider", "choice", "several", "checkbox", "file", "note"]
    default: JsonValue = ""
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[str, ...] | Callable[[Engine, Tab], Sequence[str]] = ()
    numbered: Callable[[Tab], Sequence[str]] | None = None
    hint: str = ""
    follows: tuple[str, Callable[[Engine, JsonValue], Sequence[str]]] | None = None

    def options(self, engine: Engine, tab: Tab) -> list[str]:
        return list(self.choices(engine, tab) if callable(self.choices) else self.choices)

    def check(self, value: object, engine: Engine, tab: Tab) -> JsonValue:
        """The value in this argument's type, or UserError that says what was expected."""
        match self.kind:
            case "note":
                if self.choices and value:
                    self._choice(value, engine, tab)  # what A1111 may ask of this place, as far as it is here
                return ""
            case "text" | "multiline" | "file":
                return self._of(str, value, "text")
            case "checkbox":
                return bool(value) if value in (0, 1) else self._of(bool, value, "true or false")
            case "choice":
                return self._choice(value, engine, tab)
            case "several":
                value = [] if value == "" else value  # what A1111's clients send for none
                return [self._choice(one, engine, tab) for one in self._of((list, tuple), value, "a list")]
            case "number" | "slider":
                return self._number(value)

    def _number(self, value: object) -> float:
        whole = isinstance(self.default, int)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or (whole and value != int(value)):
            raise self._wrong(value, "a whole number" if whole else "a number")
        low, high = self.minimum, self.maximum
        if not (low is None or value >= low) or not (high is None or value <= high):
            raise self._wrong(value, f"{low} to {high}" if high is not None else f"{low} or more")
        return int(value) if whole else float(value)

    def _choice(self, value: object, engine: Engine, tab: Tab) -> str:
        if self.follows:
            return self._of(str, value, "text")
        names = self.options(engine, tab)
        if isinstance(value, int) and not isinstance(value, bool):
            numbered = list(self.numbered(tab)) if self.numbered else names
            if not 0 <= value < len(numbered):
                raise self._wrong(value, f"0 to {len(numbered) - 1}")
            value = numbered[value]
        known = {one.casefold(): one for one in names}
        wish = str(value).strip().casefold()
        if wish in known:
            return known[wish]
        near = [known[one] for one in difflib.get_close_matches(wish, known, n=3, cutoff=0.5)]
        raise self._wrong(value, "one of its choices", f"Did you mean {', '.join(near)}?" if near else _some(names))

    def _of(self, kind: Any, value: object, expected: str) -> Any:
        if isinstance(value, kind):
            return value
        raise self._wrong(value, expected)

    def _wrong(self, value: object, expected: str, hint: str = "") -> UserError:
        return UserError(
            f"{self.label} is {str(value)[:80]!r}, but {expected} was expected.",
            hint=hint,
            field=f"script.{self.name}",
        )


MARGIN = Argument(
    name="margin_size",
    label="Grid margins (px)",
    kind="slider",
    default=0,
    minimum=0,
    maximum=500,
    step=2,
    hint="Room between the pictures.",
)  # of scripts that make a grid


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a script is asked to do. `request` has no script; `arguments` are checked and complete."""

    request: Generate
    arguments: Mapping[str, JsonValue]
    engine: Engine

    @property
    def tab(self) -> Tab:
        return tab_of(self.request)

    def text(self, name: str) -> str:
        return str(self.arguments[name])

    def flag(self, name: str) -> bool:
        return bool(self.arguments[name])

    def whole(self, name: str) -> int:
        return int(self.real(name))

    def real(self, name: str) -> float:
        value = self.arguments[name]
        assert isinstance(value, (int, float))
        return value

    def several(self, name: str) -> list[str]:
        value = self.arguments[name]
        assert isinstance(value, list)
        return [str(one) for one in value]


@dataclass(frozen=True, kw_only=True)
class Script:
    """A way to make many requests of one. `title` is A1111's, `about` says in one line what it does.

    `count`: how many requests it will make of a wish; UserError when it cannot. `run` makes them. `asks`: those that
    differ from the wish's in size or number, and one of the result's size where that is larger. `paste`: arguments
    from the fields of an infotext that names the script, taken out of them. `draws`: whether seeds of -1 are drawn anew
    for each request; else they are drawn once, before it is asked anything.
    """

    title: str
    about: str
    run: Callable[[Call], Result]
    tabs: tuple[Tab, ...] = BOTH
    arguments: tuple[Argument, ...] = ()
    count: Callable[[Wish], int] = field(default=lambda wish: 1)
    asks: Callable[[Wish], Sequence[Generate]] = field(default=lambda wish: ())
    paste: Callable[[dict[str, str]], dict[str, JsonValue]] = field(default=lambda fields: {})
    draws: Callable[[Wish], bool] = field(default=lambda wish: False)

    def read(self, given: Mapping[str, object], engine: Engine, tab: Tab) -> dict[str, JsonValue]:
        """All arguments, checked, with defaults for those not given; UserError names an unknown one's neighbours."""
        known = {one.name: one for one in self.arguments}
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
                raise UserError(
                    f"{self.title} has no argument {str(name)[:80]!r}.",
                    hint=f"Did you mean {', '.join(near)}?" if near else _some(list(known)),
                    field=f"script.{name}",
                )
        return {
            name: one.check(given[name], engine, tab) if name in given else one.default for name, one in known.items()
        }

    def expected(self, wish: Wish) -> int:
        """How many requests it will make, at least one; UserError when it cannot."""
        count = self.count(wish)
        if count < 1:
            raise UserError(f"{self.title} has nothing to make.", hint="Fill in its fields.", field="script")
        return count


scripts: Registry[Script] = Registry("script")


def register_script(
    title: str,
    about: str,
    *,
    tabs: tuple[Tab, ...] = BOTH,
    arguments: tuple[Argument, ...] = (),
    count: Callable[[Wish], int] = lambda wish: 1,
    asks: Callable[[Wish], Sequence[Generate]] = lambda wish: (),
    paste: Callable[[dict[str, str]], dict[str, JsonValue]] = lambda fields: {},
    draws: Callable[[Wish], bool] = lambda wish: False,
) -> Callable[[Callable[[Call], Result]], Callable[[Call], Result]]:
    """Decorator that adds the function below it as the script's `run`."""

    def add(run: Callable[[Call], Result]) -> Callable[[Call], Result]:
        told = Script(
            title=title,
            about=about,
            run=run,
            tabs=tabs,
            arguments=arguments,
            count=count,
            asks=asks,
            paste=paste,
            draws=draws,
        )
        scripts.add(title, told)
        return run

    return add


def pasted_script(fields: dict[str, str]) -> ScriptCall | None:
    """The script that an infotext's fields name, and its arguments, taken out of them; None when it is not known."""
    if fields.get("Script", "") not in scripts:
        return None
    script = scripts.get(fields.pop("Script"))
    return ScriptCall(name=script.title, arguments={**_told_arguments(script, fields), **script.paste(fields)})


def _told_arguments(script: Script, fields: dict[str, str]) -> dict[str, JsonValue]:
    """What the field ARGUMENTS says of the script's own arguments."""
    try:
        told = json.loads(fields.pop(ARGUMENTS, "{}"))
    except ValueError:
        return {}
    known = {one.name for one in script.arguments}
    return {name: one for name, one in told.items() if name in known} if isinstance(told, dict) else {}


def tab_of(request: Generate) -> Tab:
    return "txt2img" if isinstance(request.source, Noise) else "img2img"


def read_wish(request: Generate, engine: Engine) -> tuple[Script, Wish]:
    """The script that a request names and what it is asked; UserError when either is not known or cannot be done."""
    call = request.after.script
    assert isinstance(call, ScriptCall)
    script, tab = scripts.get(call.name), tab_of(request)
    if tab not in script.tabs:
        raise UserError(f"{script.title} does not work in {tab}.", hint=f"Use it in {script.tabs[0]}.", field="script")
    plain = replace(request, after=replace(request.after, script=None))
    wish = Wish(request=plain, arguments=script.read(call.arguments, engine, tab), engine=engine)
    return script, wish if script.draws(wish) else replace(wish, request=with_fixed_seeds(plain))


def _some(names: list[str], most: int = 30) -> str:
    return f"Known: {', '.join(names[:most])}{' ...' if len(names) > most else ''}."
