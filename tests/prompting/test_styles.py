from __future__ import annotations

import csv
from pathlib import Path

import pytest

from modules.core.errors import NotFoundError, UserError
from modules.prompting.styles import Style, StyleBook


@pytest.fixture
def book(tmp_path: Path) -> StyleBook:
    book = StyleBook(tmp_path / "styles.csv")
    book.save("Ink", "ink drawing of {prompt}, black and white", "colour")
    book.save("Sharp", "sharp focus", "blurry, {prompt}")
    return book


def test_the_prompt_goes_to_its_place_or_stands_before_the_style(book: StyleBook) -> None:
    assert book.apply("a cat", "ugly", ["Ink"]) == ("ink drawing of a cat, black and white", "ugly, colour")
    assert book.apply("a cat", "ugly", ["Sharp"]) == ("a cat, sharp focus", "blurry, ugly")
    assert book.apply("a cat", "", ["Ink", "Sharp"]) == (
        "ink drawing of a cat, black and white, sharp focus",
        "blurry, colour",
    )
    assert book.apply("", "", ["Sharp"])[0] == "sharp focus"
    assert book.apply("a  cat ", "", []) == ("a  cat ", "")


def test_the_file_is_what_a1111_reads(book: StyleBook) -> None:
    assert book.path.read_bytes().startswith(b"\xef\xbb\xbf")
    with open(book.path, encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[1] == {"name": "Sharp", "prompt": "sharp focus", "negative_prompt": "blurry, {prompt}"}


def test_texts_come_back_to_the_letter(book: StyleBook) -> None:
    style = Style("名前, \"q\" 'x'", 'two\nlines, "quoted", é\r\nthree', "  spaces ")
    book.save(style)
    assert StyleBook(book.path).get(style.name) == style


def test_names_keep_their_order_and_deleting_takes_one(book: StyleBook) -> None:
    book.save("Ink", "changed")
    assert book.names() == ["Ink", "Sharp"]
    assert book.get("Ink") == Style("Ink", "changed")
    book.delete("Ink")
    assert StyleBook(book.path).names() == ["Sharp"]
    assert "Ink" not in book


def test_the_file_before_a_change_is_kept(book: StyleBook) -> None:
    before = book.path.read_bytes()
    book.delete("Ink")
    assert book.path.with_name("styles.csv.bak").read_bytes() == before


def test_changes_by_another_program_are_seen(book: StyleBook) -> None:
    book.names()
    book.path.write_text("name,text\nOld,an old style\n,nameless\n", "utf-8")
    assert book.names() == ["Old"]
    assert book.get("Old").prompt == "an old style"
    book.path.unlink()
    assert book.names() == []


def test_an_unknown_style_is_told_with_its_neighbours(book: StyleBook) -> None:
    with pytest.raises(NotFoundError, match="Sharp"):
        book.apply("a", "", ["Sharpe"])
    with pytest.raises(NotFoundError):
        book.delete("nothing like it")


@pytest.mark.parametrize("style", [Style(" "), Style("a", "\0"), Style("a", "\ud800"), Style("a", "x" * 100_001)])
def test_what_could_not_be_read_again_is_refused(book: StyleBook, style: Style) -> None:
    before = book.path.read_bytes()
    with pytest.raises(UserError):
        book.save(style)
    assert book.path.read_bytes() == before


def test_several_files_are_one_book_and_each_style_is_changed_where_it_stands(tmp_path: Path) -> None:
    mine, ours = StyleBook(tmp_path / "mine.csv"), StyleBook(tmp_path / "ours.csv")
    mine.save("Ink", "my ink")
    ours.save("Ink", "our ink")
    ours.save("Oil", "oil")
    book = StyleBook(mine.path, ours.path, mine.path)
    assert book.names() == ["Ink", "Oil"]
    assert book.get("Ink").prompt == "my ink"
    book.save("Oil", "thick oil")
    book.save("New", "new")
    assert mine.names() == ["Ink", "New"]
    assert (ours.get("Oil").prompt, ours.get("Ink").prompt) == ("thick oil", "our ink")
    book.delete("Ink")
    assert book.names() == ["New", "Oil"]
