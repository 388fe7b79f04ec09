"""The page's words: one flat table per language, English first. `label.<id>` and `tip.<id>` belong to controls.

`label.*_steps` belongs to the control of that name in every tab that makes pictures.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent


@cache
def table(language: str) -> dict[str, str]:
    return json.loads((FOLDER / f"{language}.json").read_text("utf-8"))


def languages() -> list[str]:
    """Codes of the tables that exist: en, zh."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def text(key: str) -> str:
    """The English words of a key; the page translates them in the browser."""
    return table("en")[key]


def control_text(kind: str, elem_id: str) -> str:
    """The English label, tip or placeholder of a control: its own, or that of its name in every tab."""
    words = table("en")
    own = f"{kind}.{elem_id}"
    return words[own] if own in words else words[f"{kind}.*_{elem_id.partition('_')[2]}"]
