from __future__ import annotations

import pytest

from modules.core.errors import NotFoundError
from modules.core.registry import Registry


def make() -> Registry[int]:
    registry: Registry[int] = Registry("sampler")
    registry.add("Euler a", 1, aliases=("k_euler_a",))
    registry.add("Euler", 2)
    return registry


@pytest.mark.parametrize("name", ["Euler a", "euler A", " k_euler_a "])
def test_names_and_aliases_are_found_in_any_case(name: str) -> None:
    assert make().get(name) == 1
    assert name in make()


def test_a_miss_suggests() -> None:
    with pytest.raises(NotFoundError, match="Did you mean Euler") as missed:
        make().get("Eular")
    assert missed.value.field == "sampler"


def test_a_taken_name_or_alias_adds_nothing() -> None:
    registry = make()
    with pytest.raises(ValueError, match="already taken"):
        registry.add("Heun", 3, aliases=("EULER",))
    assert registry.names() == ["Euler a", "Euler"]


def test_closed_means_closed() -> None:
    registry = make()
    registry.close()
    with pytest.raises(RuntimeError, match="closed"):
        registry.add("late", 3)


def test_a_removed_entry_takes_its_aliases_along() -> None:
    registry = make()
    registry.remove("Euler a")
    assert "k_euler_a" not in registry
    registry.add("k_euler_a", 4)
    assert registry.get("K_EULER_A") == 4
