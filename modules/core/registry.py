"""One way to name things that can be added: samplers, schedules, families, tabs, settings, ..."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Generic, TypeVar

from modules.core.errors import NotFoundError

T = TypeVar("T")


class Registry(Generic[T]):
    """Values by name, in order of registration. Names and aliases are looked up without regard to case."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}
        self._keys: dict[str, str] = {}
        self._closed = False

    def register(self, name: str, *, aliases: Iterable[str] = ()) -> Callable[[T], T]:
        """Decorator that adds the value below it. A name that is taken raises, naming both owners."""

        def add(value: T) -> T:
            self.add(name, value, aliases=aliases)
            return value

        return add

    def add(self, name: str, value: T, *, aliases: Iterable[str] = ()) -> None:
        if self._closed:
            raise RuntimeError(f"The {self.kind} registry is closed; {name!r} came too late.")
        names = list(dict.fromkeys([name, *aliases]))
        for one in names:
            taken = self._keys.get(one.casefold())
            if taken is not None:
                raise ValueError(
                    f"{self.kind} {one!r} of {_owner(value)} is already taken by {_owner(self._items[taken])}."
                )
        self._items[name] = value
        for one in names:
            self._keys[one.casefold()] = name

    def remove(self, name: str) -> None:
        del self._items[name]
        self._keys = {key: target for key, target in self._keys.items() if target != name}

    def get(self, name: str) -> T:
        """The value of a name or alias; a miss raises NotFoundError with the nearest names."""
        return self._items[self.canonical(name)]

    def canonical(self, name: str) -> str:
        """The registered name behind a name or alias."""
        found = self._keys.get(str(name).strip().casefold())
        if found is None:
            close = difflib.get_close_matches(str(name).casefold(), self._keys, n=3, cutoff=0.6)
            near = list(dict.fromkeys(self._keys[key] for key in close))
            hint = f"Did you mean {', '.join(near)}?" if near else f"Known: {_some(self.names())}."
            raise NotFoundError(f"Unknown {self.kind} {str(name)!r}.", hint=hint, field=self.kind)
        return found

    def names(self) -> list[str]:
        return list(self._items)

    def items(self) -> list[tuple[str, T]]:
        return list(self._items.items())

    def aliases(self, name: str) -> list[str]:
        own = name.casefold()
        return [key for key, target in self._keys.items() if target == name and key != own]

    def close(self) -> None:
        """No more registrations: called before serving, so that what the page shows is what there is."""
        self._closed = True

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.strip().casefold() in self._keys

    def __iter__(self) -> Iterator[T]:
        return iter(self._items.values())

    def __len__(self) -> int:
        return len(self._items)


def import_folder(package: ModuleType | str) -> None:
    """Import every module of a package, so that each file registers itself by existing."""
    module = importlib.import_module(package) if isinstance(package, str) else package
    for found in sorted(pkgutil.iter_modules(module.__path__), key=lambda one: one.name):
        importlib.import_module(f"{module.__name__}.{found.name}")


def _owner(value: object) -> str:
    target = value if callable(value) else type(value)
    return f"{getattr(target, '__module__', '?')}.{getattr(target, '__qualname__', '?')}"


def _some(names: list[str], most: int = 30) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
