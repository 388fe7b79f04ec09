"""A number that a setting may have."""

from __future__ import annotations

from modules.core.errors import UserError


def check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UserError(f"{name} is {value}.", hint=f"Use a number from {low} to {high}.", field=name)
