"""Typed settings, declared beside the feature that owns them and stored in config.json.

CLIP_SKIP = define(Setting("CLIP_stop_at_last_layers", 1, "Clip skip", section="Stable Diffusion", minimum=1))
settings[CLIP_SKIP]  # -> int
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from modules.core.errors import UserError
from modules.core.files import write_atomic
from modules.core.registry import Registry

T = TypeVar("T")
Scope = Literal["user", "admin", "restart"]  # anyone | only this machine's owner (never by API) | takes effect at start
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One setting. The type of `default` is the type of every value; int is accepted where float is meant."""

    key: str
    default: T
    label: str
    section: str = field(kw_only=True)
    scope: Scope = field(default="user", kw_only=True)
    minimum: float | None = field(default=None, kw_only=True)
    maximum: float | None = field(default=None, kw_only=True)
    step: float | None = field(default=None, kw_only=True)
    choices: tuple[str, ...] | Callable[[], Iterable[str]] = field(default=(), kw_only=True)
    hint: str = field(default="", kw_only=True)
    infotext: str = field(default="", kw_only=True)  # its name in a picture's infotext

    def check(self, value: object) -> T:
        """The value in this setting's type, or UserError that says what was expected."""
        kind = type(self.default)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if kind is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        if kind is list and isinstance(value, tuple):
            value = list(value)
        if type(value) is not kind:
            raise UserError(
                f"Setting {self.key} is {value!r}, but {kind.__name__} was expected.",
                hint=f"Its default is {self.default!r}.",
                field=self.key,
            )
        self._check_storable(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            low, high = self.minimum, self.maximum
            if value != value or (low is not None and value < low) or (high is not None and value > high):
                raise UserError(f"{self.label} ({self.key}) is {value}, outside of {low} to {high}.", field=self.key)
        choices = self.options()
        if choices and isinstance(value, str) and value not in choices:
            raise UserError(
                f"Setting {self.key} is {value!r}, which is not a choice.",
                hint=f"Choices: {', '.join(choices[:20])}.",
                field=self.key,
            )
        return value  # type: ignore[return-value]

    def _check_storable(self, value: object) -> None:
        """UserError for what a settings file in UTF-8 cannot hold, such as a lone surrogate."""
        if not isinstance(value, (str, list, dict)) or (isinstance(value, str) and value.isascii()):
            return
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except (TypeError, ValueError) as error:
            half = isinstance(error, UnicodeEncodeError)
            told = "has half a character (a lone surrogate) in it" if half else f"cannot be stored: {error}"
            hint = "Type the text again." if half else ""
            raise UserError(f"Setting {self.key} {told}.", hint=hint, field=self.key) from error

    def check_beside(self, others: Settings) -> None:
        """UserError when the value that `others` gives this setting cannot stand beside theirs. Most stand alone."""

    def options(self) -> list[str]:
        return list(self.choices() if callable(self.choices) else self.choices)


setting_registry: Registry[Setting[Any]] = Registry("setting")


def define(setting: Setting[T]) -> Setting[T]:
    """Declare a setting; the Settings page, the API's options and config.json know it from then on."""
    setting_registry.add(setting.key, setting)
    return setting


class Settings:
    """The values of all settings: defaults, what config.json says, and changes, each stored at once and whole.

    A damaged file is set aside as config.json.damaged-<time> with a warning. Keys that nobody declared
    (an extension that is off) are kept in the file untouched. `forced` and `initial` values come from the command
    line and are never stored: forced ones win for this run, initial ones until a person changes the setting.
    """

    def __init__(
        self,
        path: Path | None = None,
        values: Mapping[str, object] | None = None,
        *,
        forced: Mapping[str, object] | None = None,
        initial: Mapping[str, object] | None = None,
    ) -> None:
        self._path = path
        self._forced = dict(forced or {})
        self._initial = dict(initial or {})
        self._lock = threading.RLock()
        self._listeners: list[Callable[[str, object], None]] = []
        self._raw: dict[str, object] = dict(values or {})
        if path is not None and path.exists():
            self._raw.update(self._read(path))

    def _read(self, path: Path) -> dict[str, object]:
        try:
            found = json.loads(path.read_text("utf-8"))
            if not isinstance(found, dict):
                raise ValueError("not a JSON object")
            return found
        except (ValueError, UnicodeDecodeError) as error:
            aside = path.with_name(f"{path.name}.damaged-{int(time.time() * 1000)}")
            path.rename(aside)
            log.warning("%s could not be read (%s); it was set aside as %s.", path.name, error, aside.name)
            return {}

    def __getitem__(self, setting: Setting[T]) -> T:
        layers = (self._forced, self._initial, self._raw)
        value = next((one[setting.key] for one in layers if setting.key in one), setting.default)
        try:
            return setting.check(value)
        except UserError as error:
            log.warning("%s The default is used.", error)
            return setting.default

    def get(self, key: str) -> Any:
        """The value by key, for callers that only have the name (the API, a page built from the registry)."""
        return self[setting_registry.get(key)]

    def all(self) -> dict[str, object]:
        return {setting.key: self[setting] for setting in setting_registry}

    def forced(self, setting: Setting[Any]) -> UserError | None:
        """Why no change of `setting` could have an effect; None when one would."""
        if setting.key not in self._forced:
            return None
        hint = "Start Easel without the flag for it to change it here."
        return UserError(f"Setting {setting.key} is fixed by the command line.", hint=hint, field=setting.key)

    def update(self, changes: Mapping[str, object]) -> None:
        """Check all changes, then apply and store all of them, or raise UserError and change nothing."""
        checked, changed = {}, [setting_registry.get(key) for key in changes]
        for setting, value in zip(changed, changes.values()):
            if fixed := self.forced(setting):
                raise fixed
            checked[setting.key] = setting.check(value)
        with self._lock:
            after = Settings(None, {**self._raw, **self._initial, **checked}, forced=self._forced)
            for setting in changed:
                setting.check_beside(after)
            before = dict(self._raw)
            self._raw.update(checked)
            try:
                self._store()
            except BaseException:
                self._raw = before
                raise
            self._initial = {key: value for key, value in self._initial.items() if key not in checked}
        for key, value in checked.items():
            for listener in list(self._listeners):
                listener(key, value)

    def with_overrides(self, changes: Mapping[str, object]) -> Settings:
        """A copy for one job, with some values replaced; nothing is stored."""
        checked = {}
        for key, value in changes.items():
            setting = setting_registry.get(key)
            if setting.scope != "user":
                raise UserError(f"Setting {key} cannot be overridden for one picture.", field=key)
            checked[setting.key] = setting.check(value)
        return Settings(None, {**self._raw, **self._initial, **checked}, forced=self._forced)

    def on_change(self, listener: Callable[[str, object], None]) -> None:
        self._listeners.append(listener)

    def _store(self) -> None:
        if self._path is not None:
            write_atomic(self._path, json.dumps(self._raw, indent=2, ensure_ascii=False, sort_keys=True) + "\n")
