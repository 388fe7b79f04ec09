"""Sections out of the tree of a TOML file: every name and type is checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import tomlkit
import tomlkit.exceptions

from modules.core.errors import UserError


def read_tree(path: Path) -> dict[str, Any]:
    """What the TOML file says, not checked yet."""
    try:
        return tomlkit.parse(path.read_text(encoding="utf-8")).unwrap()
    except FileNotFoundError:
        raise UserError(f"There is no config file {path.name}.") from None
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror}.") from error
    except (tomlkit.exceptions.ParseError, UnicodeDecodeError) as error:
        raise UserError(f"{path.name} is not TOML: {error}.") from error


def set_value(tree: dict[str, Any], wish: str) -> None:
    key, equals, text = wish.partition("=")
    if not equals:
        raise UserError(f"--set {wish!r} has no '='.", hint="Write --set section.key=value.")
    *sections, name = key.strip().split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
    try:
        tree[name] = tomlkit.parse(f"value = {text}").unwrap()["value"]
    except tomlkit.exceptions.ParseError:
        tree[name] = text


def build(kind: type[Any], tree: Mapping[str, Any], place: str) -> Any:
    hints = get_type_hints(kind)
    unknown = [name for name in tree if name not in hints]
    if unknown:
        name = f"{place}{unknown[0]}"
        raise UserError(f"{name} is not a setting.", hint=f"Known here: {', '.join(hints)}.", field=name)
    missing = [
        one.name
        for one in dataclasses.fields(kind)
        if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING and one.name not in tree
    ]
    if missing:
        raise UserError(f"{place}{missing[0]} is missing.", field=f"{place}{missing[0]}")
    return kind(**{name: _value(hints[name], value, f"{place}{name}") for name, value in tree.items()})


def _value(hint: Any, value: Any, place: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise UserError(f"{place} is {value!r}, expected a section.", field=place)
        return build(hint, value, f"{place}.")
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise UserError(f"{place} is {value!r}.", hint=f"One of: {', '.join(get_args(hint))}.", field=place)
        return value
    if get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise UserError(f"{place} is {value!r}, expected a list.", field=place)
        return tuple(_value(get_args(hint)[0], one, place) for one in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(hint, type) or not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise UserError(f"{place} is {value!r}, expected {getattr(hint, '__name__', hint)}.", field=place)
    return value
