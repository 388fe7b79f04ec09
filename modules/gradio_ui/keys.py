"""The keys of the page: one setting per action, written as Ctrl+Enter; Ctrl is Cmd on a Mac. Empty is no key."""

from __future__ import annotations

import re
from dataclasses import dataclass

from modules.core.errors import UserError
from modules.core.settings import Setting, Settings, define, setting_registry

SECTION = "Keys"
MODIFIERS = ("Ctrl", "Alt", "Shift")
ALIASES = {"cmd": "Ctrl", "meta": "Ctrl", "control": "Ctrl", "option": "Alt", "esc": "Escape", "up": "ArrowUp"}
ALIASES |= {"down": "ArrowDown", "left": "ArrowLeft", "right": "ArrowRight", "return": "Enter", "del": "Delete"}
NAMED = ("Enter", "Escape", "Space", "Tab", "Backspace", "Delete", "Insert", "Home", "End", "PageUp", "PageDown")
NAMED += ("ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", *(f"F{number}" for number in range(1, 13)))


@dataclass(frozen=True)
class KeySetting(Setting[str]):
    """A combination in its one spelling, so that equal ones are equal texts."""

    def check(self, value: object) -> str:
        return spell(super().check(value), self.key)

    def check_beside(self, others: Settings) -> None:
        """UserError when another action has the same key."""
        combination = others[self]
        for one in setting_registry:
            if combination and isinstance(one, KeySetting) and one.key != self.key and others[one] == combination:
                raise UserError(
                    f"{combination} is already the key of: {one.label}.",
                    hint="Choose another, or clear that one first.",
                    field=self.key,
                )


def _key(action: str, default: str, label: str) -> KeySetting:
    setting = KeySetting(f"key_{action}", default, label, section=SECTION)
    define(setting)
    return setting


KEYS = {
    "generate": _key("generate", "Ctrl+Enter", "Generate"),
    "skip": _key("skip", "Alt+Enter", "Skip the batch"),
    "interrupt": _key("interrupt", "Escape", "Interrupt"),
    "weight_up": _key("weight_up", "Ctrl+ArrowUp", "Raise the weight of the word"),
    "weight_down": _key("weight_down", "Ctrl+ArrowDown", "Lower the weight of the word"),
    "move_left": _key("move_left", "Alt+ArrowLeft", "Move the part between commas to the left"),
    "move_right": _key("move_right", "Alt+ArrowRight", "Move the part between commas to the right"),
    "previous": _key("previous", "ArrowLeft", "Previous picture"),
    "next": _key("next", "ArrowRight", "Next picture"),
    "save": _key("save", "S", "Save the picture"),
    "search": _key("search", "Ctrl+K", "Search settings and tabs"),
    "help": _key("help", "?", "Show all keys"),
}


def spell(text: str, field: str = "") -> str:
    """ "shift + ctrl+k" -> "Ctrl+Shift+K"; UserError when it names no key, or more than one."""
    if not text.strip():
        return ""
    parts = [one.strip() for one in re.split(r"\+(?!$)", text.strip())]  # a last + is the key itself
    known = {one.casefold(): one for one in (*MODIFIERS, *NAMED)} | ALIASES
    named = [known.get(one.casefold(), one.upper() if len(one) == 1 else "") for one in parts]
    modifiers, key = named[:-1], named[-1]
    if not key or key in MODIFIERS or any(one not in MODIFIERS for one in modifiers):
        hint = "Write it like Ctrl+Enter, Alt+ArrowLeft or S; leave it empty for no key."
        raise UserError(f"{text!r} is not a key.", hint=hint, field=field)
    return "+".join([*(one for one in MODIFIERS if one in modifiers), key])


def chosen_keys(settings: Settings) -> dict[str, str]:
    """{action: combination}."""
    return {action: settings[setting] for action, setting in KEYS.items()}
