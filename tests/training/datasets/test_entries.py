"""What a folder of pictures means, in the layouts that other trainers write."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from modules.core.errors import UserError
from modules.training.datasets.entries import read_entries


def put(folder: Path, name: str, caption: str | None = None, kind: str = ".txt") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 16)).save(path)
    if caption is not None:
        path.with_suffix(kind).write_text(caption, "utf-8")
    return path


def told(folder: Path) -> dict[str, tuple[str, str, int]]:
    return {
        one.path.relative_to(folder).as_posix(): (one.caption, one.told_by, one.repeats) for one in read_entries(folder)
    }


def test_captions_come_from_text_files_then_metadata_then_the_name(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "one\n red  barn ")
    put(tmp_path, "b.png", "two", ".caption")
    put(tmp_path, "c.png", "three")
    (tmp_path / "c.caption").write_text("not read")
    put(tmp_path, "sub/d_old-mill07.png")
    put(tmp_path, "sub/e.png")
    put(tmp_path, "f.png", "")
    rows = [
        {"file_name": "sub/e.png", "text": "five", "width": 3},
        {"file_name": "a.png", "text": "not read"},
    ]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n", "utf-8-sig")
    assert told(tmp_path) == {
        "a.png": ("one red barn", "text", 1),
        "b.png": ("two", "text", 1),
        "c.png": ("three", "text", 1),
        "f.png": ("", "text", 1),
        "sub/d_old-mill07.png": ("d old mill", "name", 1),
        "sub/e.png": ("five", "metadata", 1),
    }


@pytest.mark.parametrize("root", ["set", "set/10_sks dog"])
def test_kohyas_folders_tell_repeats_and_concept(tmp_path: Path, root: str) -> None:
    put(tmp_path, "set/10_sks dog/a.png")
    put(tmp_path, "set/10_sks dog/deep/b.png", "a sks dog in a park")
    found = told(tmp_path / root)
    assert sorted(found.values()) == [("a sks dog in a park", "text", 10), ("sks dog", "folder", 10)]


def test_a_year_is_no_number_of_repeats(tmp_path: Path) -> None:
    put(tmp_path, "2024_holiday/beach.png")
    assert told(tmp_path / "2024_holiday") == {"beach.png": ("beach", "name", 1)}


def test_masks_and_regularisation_pictures_are_known(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    put(tmp_path, "a-masklabel.png")
    put(tmp_path, "b.jpg")
    put(tmp_path, "masks/b.png")
    put(tmp_path, "masks/of nothing.png")
    put(tmp_path, "carnival/masks/venetian.png")
    put(tmp_path, "reg/1_dog/c.png")
    put(tmp_path, ".backup/d.png")
    put(tmp_path, "__MACOSX/e.png")
    found = read_entries(tmp_path)
    shown = {one.path.name: (one.mask and one.mask.name, one.regularisation, one.caption) for one in found}
    assert shown == {
        "a.png": ("a-masklabel.png", False, "a"),
        "b.jpg": ("b.png", False, "b"),
        "venetian.png": (None, False, "venetian"),
        "c.png": (None, True, "dog"),
    }


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("{", "line 1"),
        ("[]", "file_name"),
        ('{"file_name": 3}', "file_name"),
        ('{"file_name": "a.png", "text": 3}', "text"),
        ('{"file_name": "../outside.png"}', "outside"),
        ('{"file_name": "gone.png", "text": "x"}', r"gone\.png"),
    ],
)
def test_what_is_wrong_in_a_listing_is_named(tmp_path: Path, line: str, named: str) -> None:
    put(tmp_path / "set", "a.png")
    put(tmp_path, "outside.png")
    (tmp_path / "set" / "metadata.jsonl").write_text(line)
    with pytest.raises(UserError, match=named) as error:
        read_entries(tmp_path / "set")
    assert error.value.message.startswith("set/metadata.jsonl ")


def test_a_caption_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    (tmp_path / "a.txt").write_bytes("café".encode("latin-1"))
    with pytest.raises(UserError, match=r"a\.txt is not UTF-8 at byte 3"):
        read_entries(tmp_path)


def test_folders_are_read_without_torch() -> None:
    code = "import sys, modules.training.datasets.entries; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.strip() == "False"
