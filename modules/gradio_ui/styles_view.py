"""The styles dialog: list, save, delete, and put styles into the prompts."""

from __future__ import annotations

from typing import Any

from modules.core.errors import UserError


def change_styles(book: Any, wish: dict[str, Any]) -> dict[str, Any]:
    """Does what `wish` says, then answers with all styles (and the prompts, when they were asked for)."""
    answer: dict[str, Any] = {}
    if "save" in wish:
        one = wish["save"]
        name = str(one.get("name", "")).strip()
        if not name:
            raise UserError("A style needs a name.", field="name")
        book.save(name, str(one.get("prompt", "")), str(one.get("negative", "")))
    if "delete" in wish:
        book.delete(str(wish["delete"]))
    if "apply" in wish:
        names = tuple(str(one) for one in wish["apply"] if str(one) in book)
        positive, negative = book.apply(str(wish.get("prompt", "")), str(wish.get("negative", "")), names)
        answer = {"prompt": positive, "negative": negative}
    answer["styles"] = [
        {"name": name, "prompt": book.get(name).prompt, "negative": book.get(name).negative} for name in book.names()
    ]
    return answer
