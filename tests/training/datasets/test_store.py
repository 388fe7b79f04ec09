"""Datasets that are handed in: names that are safe, nothing overwritten, captions that stay with their pictures."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from modules.core.errors import NotFoundError, UserError
from modules.core.paths import Paths
from modules.training.datasets.entries import read_entries
from modules.training.datasets.store import DatasetStore


def png(shade: int = 0, size: tuple[int, int] = (8, 8)) -> bytes:
    raw = io.BytesIO()
    Image.new("L", size, shade).save(raw, "PNG")
    return raw.getvalue()


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    return DatasetStore(Paths(data=tmp_path))


def test_what_is_handed_in_is_kept_and_listed(store: DatasetStore) -> None:
    assert store.infos() == []
    kept = store.add("my dog", [("a.PNG", png(1)), ("a.txt", b"a dog"), ("b.png", png(2)), ("metadata.jsonl", b"")])
    assert kept == ["a.png", "a.txt", "b.png", "metadata.jsonl"]
    [info] = store.infos()
    assert (info.name, info.pictures, info.captions) == ("my dog", 2, 1)
    assert info.bytes == len(png(1)) + len(png(2))
    assert store.folder("my dog") == store.root / "my dog"


def test_nothing_is_overwritten_and_captions_stay_with_their_pictures(store: DatasetStore) -> None:
    store.add("set", [("a.png", png(1)), ("a.txt", b"first")])
    assert store.add("set", [("a.png", png(1)), ("a.txt", b"first")]) == ["a.png", "a.txt"], "the same files again"
    assert store.add("set", [("a.png", png(2)), ("a.txt", b"second")]) == ["a-2.png", "a-2.txt"]
    assert store.add("set", [("a.jpg.png", png(3))]) == ["a.jpg.png"]
    assert store.add("set", [("a.bmp", png(4))]) == ["a-3.bmp"], "it would have had the caption of another picture"
    told = {one.path.name: one.caption for one in read_entries(store.folder("set"))}
    assert (told["a.png"], told["a-2.png"]) == ("first", "second")


def test_two_files_of_one_name_are_refused(store: DatasetStore) -> None:
    with pytest.raises(UserError, match="one name"):
        store.add("set", [("a.png", png(1)), ("x/A.png", png(2))])


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "a\\b", "/etc", "C:", ".hidden", "con", "x" * 81, "a\0", "a."])
def test_names_that_lead_elsewhere_are_refused(store: DatasetStore, name: str) -> None:
    with pytest.raises(UserError) as error:
        store.add(name, [("a.png", png())])
    assert error.value.field == "name"
    assert not store.root.exists()


@pytest.mark.parametrize(
    ("given", "kept"),
    [("../../x.png", "x.png"), ("c:\\photos\\x.png", "x.png"), ("..png.png", "png.png"), ("a:b?.png", "a_b_.png")],
)
def test_file_names_are_made_safe(store: DatasetStore, given: str, kept: str) -> None:
    assert store.add("set", [(given, png())]) == [kept]
    assert [one.name for one in store.folder("set").iterdir()] == [kept]
    assert [one.name for one in store.root.parent.iterdir()] == ["datasets"]


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.exe", png()), ("a.png", b"<html>"), ("a", png()), (".png", png()), ("a.txt", b" " * ((1 << 20) + 1))],
)
def test_a_file_that_does_not_belong_keeps_all_out(store: DatasetStore, name: str, data: bytes) -> None:
    with pytest.raises(UserError) as error:
        store.add("set", [("good.png", png()), (name, data)])
    assert error.value.field == "files"
    assert not store.root.exists()


def test_a_dataset_that_is_not_there_is_told(store: DatasetStore, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no dataset 'cats'"):
        store.folder("cats")
    (tmp_path / "elsewhere").mkdir()
    store.root.mkdir()
    (store.root / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="outside"):
        store.folder("link")
