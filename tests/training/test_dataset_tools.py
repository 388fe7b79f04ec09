"""Tools that change datasets: what they make, what goes along, and that it can all be undone."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import UserError
from modules.training.dataset_tools import (
    TOOLS,
    BucketCrop,
    FlipCopies,
    SplitLong,
    Undo,
    read_tool,
    run,
    thumbnails,
)
from modules.training.datasets.caption_edits import CaptionEdit, captions_of, count_tags, editor, write_captions
from modules.training.datasets.entries import read_entries


def ramp(size: tuple[int, int]) -> Image.Image:
    width, height = size
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = np.linspace(0, 255, width)[None, :]
    picture[..., 1] = np.linspace(0, 255, height)[:, None]
    return Image.fromarray(picture)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A wide picture with caption and mask, a square one in kohya's folder, a turned photo with neither."""
    root = tmp_path / "set"
    (root / "2_mill").mkdir(parents=True)
    ramp((300, 100)).save(root / "wide.png")
    (root / "wide.txt").write_text("1girl, Red hat, red hat, sky")
    Image.fromarray(np.asarray(ramp((300, 100)))[..., 0]).save(root / "wide-masklabel.png")
    ramp((96, 96)).save(root / "2_mill" / "square.webp", lossless=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    ramp((120, 60)).save(root / "photo.jpg", exif=exif, quality=95)
    return root


def state(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and ".backup" not in path.parts
    }


def texts(folder: Path) -> dict[str, str]:
    return {one.file: one.text for one in captions_of(folder)}


def test_pictures_and_masks_are_cut_to_their_buckets(folder: Path) -> None:
    done = run(folder, BucketCrop(size=64, bucket_step=16))
    assert set(done.changed) == {"wide.png", "wide-masklabel.png", "2_mill/square.webp", "photo.jpg"}
    sizes = {}
    for name in done.changed:
        with Image.open(folder / name) as image:
            sizes[name] = image.size
    assert sizes == {
        **{"wide.png": (80, 48), "wide-masklabel.png": (80, 48)},
        **{"2_mill/square.webp": (64, 64), "photo.jpg": (48, 80)},
    }
    with Image.open(folder / "wide.png") as picture, Image.open(folder / "wide-masklabel.png") as mask:
        np.testing.assert_allclose(np.asarray(picture)[..., 0], np.asarray(mask), atol=3)
    assert run(folder, BucketCrop(size=64, bucket_step=16)).changed == (), "what has its size is left alone"


def test_mirrored_copies_bring_captions_and_masks(folder: Path) -> None:
    (folder / "photo.txt").write_text("a door on the left")
    done = run(folder, FlipCopies(flips=("Horizontal", "Vertical")))
    assert done.left == (("photo.jpg", "caption"),)
    assert "photo-vertical.jpg" in done.made
    with Image.open(folder / "wide.png") as before, Image.open(folder / "wide-horizontal.png") as after:
        np.testing.assert_array_equal(np.asarray(after), np.asarray(before)[:, ::-1])
    entry = next(one for one in read_entries(folder) if one.path.name == "wide-horizontal.png")
    assert entry.caption == "1girl, Red hat, red hat, sky"
    assert entry.mask == folder / "wide-horizontal-masklabel.png"
    copy = next(one for one in read_entries(folder) if one.path.name == "square-horizontal.webp")
    assert (copy.caption, copy.repeats) == ("mill", 2)
    again = run(folder, FlipCopies(flips=("Horizontal",)))
    assert not any("horizontal-horizontal" in name for name in again.made)


def test_long_pictures_become_parts_of_the_size(folder: Path) -> None:
    done = run(folder, SplitLong(width=64, height=64, threshold=0.4, overlap=0.0))
    assert set(done.removed) == {"wide.png", "wide.txt", "wide-masklabel.png"}
    parts = sorted(name for name in done.made if name.startswith("wide") and "mask" not in name and name.endswith("g"))
    assert parts == ["wide-1.png", "wide-2.png", "wide-3.png"]
    for name in parts:
        with Image.open(folder / name) as image:
            assert image.size == (64, 64)
    assert texts(folder)["wide-3.png"] == "1girl, Red hat, red hat, sky"
    assert sum(one.mask is not None for one in read_entries(folder)) == 3
    assert "2_mill/square.webp" in texts(folder)


TOOLS_USED: list[Any] = [
    BucketCrop(size=64, bucket_step=16, cut="focal"),
    FlipCopies(flips=("Horizontal", "Both"), careful=False),
    SplitLong(width=64, height=64),
    CaptionEdit(find="red", replace="blue"),
    CaptionEdit(before="sks, "),
]


@pytest.mark.parametrize("tool", TOOLS_USED, ids=lambda tool: tool.kind)
def test_every_tool_can_be_undone(folder: Path, tool: Any) -> None:
    before = state(folder)
    run(folder, tool)
    assert state(folder) != before
    middle = state(folder)
    run(folder, CaptionEdit(after=", end"))
    run(folder, Undo())
    assert state(folder) == middle
    run(folder, Undo())
    assert state(folder) == before
    with pytest.raises(UserError, match="could be undone"):
        run(folder, Undo())


@pytest.mark.parametrize("tool", TOOLS_USED, ids=lambda tool: tool.kind)
def test_in_a_copy_the_dataset_itself_stays(folder: Path, tool: Any, tmp_path: Path) -> None:
    before, into = state(folder), tmp_path / "copy"
    done = run(folder, tool, into=into)
    assert done.folder == "copy"
    assert state(folder) == before
    assert state(into) != before
    assert not (into / ".backup").exists()
    with pytest.raises(UserError, match="copy"):
        run(folder, tool, into=into)


def test_a_broken_picture_is_left_and_told_and_a_stop_is_heard(folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"x")
    seen: list[tuple[int, int]] = []
    done = run(folder, FlipCopies(), report=lambda now, of: seen.append((now, of)), stopping=lambda: len(seen) == 3)
    assert [name for name, _ in done.left] == ["broken.png"]
    assert str(folder.parent) not in str(done.left)
    assert seen == [(1, 4), (2, 4), (3, 4)]


def test_transparency_stays(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (96, 96), (200, 10, 10, 0))
    clear.paste((10, 200, 10, 255), (0, 0, 48, 96))
    clear.save(tmp_path / "clear.png")
    run(tmp_path, BucketCrop(size=64, bucket_step=16))
    with Image.open(tmp_path / "clear.png") as image:
        assert image.mode == "RGBA"
        assert image.getpixel((2, 30)) == (10, 200, 10, 255)
        assert image.getpixel((60, 30))[3] == 0  # type: ignore[index]


@pytest.mark.parametrize(
    ("edit", "before", "after"),
    [
        ({"find": "red", "replace": "blue"}, "a red, Red hat", "a blue, Red hat"),
        ({"find": "red", "replace": "blue", "ignore_case": True}, "a red, Red hat", "a blue, blue hat"),
        ({"find": "a.c", "replace": "\\1"}, "abc a.c", "abc \\1"),
        ({"find": r"(\w+) hat", "replace": r"\1 cap", "regex": True}, "red hat, top hat", "red cap, top cap"),
        ({"before": "sks, "}, "a dog", "sks, a dog"),
        ({"before": "sks, "}, "", "sks"),
        ({"after": ", photo"}, "a dog", "a dog, photo"),
        ({"remove": ("Sky", "sea, red hat")}, "1girl, sky, red hat, sea shore", "1girl, sea shore"),
        ({"unique": True}, "b, A, a, b, c", "b, A, c"),
        ({"sort": True}, "b, A,, c", "A, b, c"),
        ({}, "b,  A", "b, A"),
    ],
)
def test_captions_are_edited(edit: dict[str, Any], before: str, after: str) -> None:
    assert editor(CaptionEdit(**edit))(before) == after


def test_words_of_file_names_do_not_become_captions_by_an_edit(folder: Path) -> None:
    run(folder, CaptionEdit(find="photo", replace="picture"))
    assert not (folder / "photo.txt").exists()
    run(folder, CaptionEdit(before="sks dog"))
    assert texts(folder)["photo.jpg"] == "sks dog"
    assert texts(folder)["2_mill/square.webp"] == "sks dogmill"


def test_tags_are_counted_once_per_caption(folder: Path) -> None:
    (folder / "photo.txt").write_text("sky, sea, sky")
    assert count_tags(folder) == [("sky", 2), ("1girl", 1), ("Red hat", 1), ("mill", 1), ("red hat", 1), ("sea", 1)]


def test_captions_are_written_where_they_were_read(folder: Path) -> None:
    (folder / "photo.caption").write_text("old")
    work = write_captions(folder, {"photo.jpg": "new  text\n", "wide.png": "1girl, Red hat, red hat, sky"})
    assert (work.changed, work.made) == (["photo.caption"], [])
    assert texts(folder)["photo.jpg"] == "new text"
    write_captions(folder, {"2_mill/square.webp": "a mill"})
    assert (folder / "2_mill" / "square.txt").read_text() == "a mill"
    for wrong in ("../set/wide.png", "gone.png", "wide-masklabel.png"):
        with pytest.raises(UserError, match="no picture"):
            write_captions(folder, {wrong: "x"})


@pytest.mark.parametrize(
    ("tree", "field"),
    [
        ({"kind": "nothing"}, "kind"),
        ({}, "kind"),
        ({"kind": "buckets", "size": 60}, "size"),
        ({"kind": "buckets", "bucket_ratio": 20}, "bucket_ratio"),
        ({"kind": "buckets", "cut": "top"}, "cut"),
        ({"kind": "flips", "flips": []}, "flips"),
        ({"kind": "split", "overlap": 0.95}, "overlap"),
        ({"kind": "captions", "find": "(", "regex": True}, "find"),
        ({"kind": "captions", "colour": 1}, "colour"),
    ],
)
def test_tools_that_cannot_be_are_refused(tree: dict[str, Any], field: str) -> None:
    with pytest.raises(UserError) as error:
        read_tool(tree)
    assert error.value.field == field


def test_every_tool_is_read_from_its_kind() -> None:
    for kind, tool in TOOLS.items():
        assert read_tool({"kind": kind}) == tool()


def test_a_pattern_that_would_take_ages_is_stopped(folder: Path) -> None:
    (folder / "wide.txt").write_text("a" * 5000 + "!")
    began = time.monotonic()
    with pytest.raises(UserError, match="too long"):
        run(folder, CaptionEdit(find=r"(a|aa)+$", replace="", regex=True))
    assert time.monotonic() - began < 8
    with pytest.raises(UserError) as error:
        run(folder, CaptionEdit(find="a", replace=r"\5", regex=True))
    assert error.value.field == "replace"


def test_thumbnails_are_small_and_stay_in_the_folder(folder: Path) -> None:
    found = dict(thumbnails(folder, ["photo.jpg", "wide.txt"], side=32))
    assert found["photo.jpg"] is not None
    assert found["photo.jpg"].size == (16, 32)
    assert found["wide.txt"] is None
    with pytest.raises(UserError, match="outside"):
        thumbnails(folder, ["../x.png"])


def test_tools_need_no_torch() -> None:
    code = "import sys, modules.training.dataset_tools; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.strip() == "False"
