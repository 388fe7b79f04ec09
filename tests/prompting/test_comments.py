from __future__ import annotations

import pytest

from modules.prompting.comments import strip_comments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cat", "a cat"),
        ("a # cat", "a "),
        ("a\n# all of this line\nb", "a\nb"),
        ("# first\n# second\nb", "b"),
        ("a, # why\nb # more # and more", "a, \nb "),
        ("colour #ff0000, red", "colour "),
        ("", ""),
    ],
)
def test_comments_end_with_their_line(text: str, expected: str) -> None:
    assert strip_comments(text) == expected
