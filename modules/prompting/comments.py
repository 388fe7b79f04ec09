"""Comments in prompts: from # to the end of the line."""

from __future__ import annotations


def strip_comments(text: str) -> str:
    """The text without its comments; a line that is only a comment goes as a whole. There is no escape for #."""
    if "#" not in text:
        return text
    return "\n".join(line.partition("#")[0] for line in text.split("\n") if not line.startswith("#"))
