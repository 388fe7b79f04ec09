"""Values of axes as people type them."""

import pytest

from modules.core.errors import UserError
from modules.processing.scripts.xyz_values import join_values, real_values, split_values, whole_values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1, 2,, 3", [1, 2, 3]),
        ("1-5", [1, 2, 3, 4, 5]),
        ("1-10 (+2)", [1, 3, 5, 7, 9]),
        ("10-5 (-3)", [10, 7]),
        ("10-0 (-3)", [10, 7, 4, 1]),
        ("1-10 [5]", [1, 3, 5, 7, 10]),
        ("7, 1-3, 20-10 [2]", [7, 1, 2, 3, 20, 10]),
        ("-1", [-1]),
        ("-3--1", [-3, -2, -1]),
        ("4.0", [4]),
        ("1-5 [1]", [1]),
    ],
)
def test_whole_numbers(text, values):
    assert whole_values(text, "Steps") == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.5, .25", [0.5, 0.25]),
        ("0-1 (+0.25)", [0, 0.25, 0.5, 0.75, 1]),
        ("0-1 (+0.1)", [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]),
        ("0-1 (+0.3)", [0, 0.3, 0.6, 0.9]),
        ("1-2 [5]", [1, 1.25, 1.5, 1.75, 2]),
        ("3-1 (-0.5)", [3, 2.5, 2, 1.5, 1]),
        ("1.5-3.5", [1.5, 2.5, 3.5]),
    ],
)
def test_numbers(text, values):
    assert real_values(text, "CFG Scale") == values


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1, two", "'two' is not a number"),
        ("1.5", "'1.5' is not a number"),
        ("5-1", "has no value in it. Give it a step such as \\(-1\\)"),
        ("1-5 (+0)", "not 0"),
        ("1-99999999999", "at most 10000"),
        ("1-5 [99999999]", "at most 10000"),
        ("nan", "not a number"),
    ],
)
def test_what_cannot_be_read_is_told(text, told):
    with pytest.raises(UserError, match=f"Steps: .*{told}"):
        whole_values(text, "Steps")


def test_quotation_marks_keep_a_comma():
    assert split_values('cat, "dog, wet" ,\ncow') == ["cat", "dog, wet", "", "cow"]


@pytest.mark.parametrize("values", [["a", "b, c"], ['say "so"', "", "x"], ["one"], ["two\nlines", "y"]])
def test_joined_values_are_split_again(values):
    assert split_values(join_values(values)) == values
