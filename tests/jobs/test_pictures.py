"""What of a job's pictures is told, and under which type they are served."""

import dataclasses
from pathlib import Path

import pytest

from modules.core.errors import NotFoundError
from modules.jobs.pictures import picture_json, picture_path, picture_type
from modules.processing.progress import Picture


def picture(path: Path) -> Picture:
    return Picture(path=str(path), infotext="", seed=1, variation_seed=0, width=8, height=8)


def test_the_name_is_told_and_the_path_is_not(tmp_path: Path) -> None:
    one = picture(tmp_path / "a.png")
    for told in (picture_json(one), picture_json(dataclasses.asdict(one))):
        assert told["name"] == "a.png"
        assert str(tmp_path) not in str(told)


@pytest.mark.parametrize(("name", "kind"), [
    ("a.PNG", "image/png"), ("a.jpg", "image/jpeg"), ("a.webp", "image/webp"), ("a.avif", "image/avif"),
    ("a.svg", "application/octet-stream"), ("a.html", "application/octet-stream"), ("a", "application/octet-stream"),
])  # fmt: skip
def test_only_what_runs_no_script_is_shown(name: str, kind: str) -> None:
    assert picture_type(Path(name)) == kind


def test_a_picture_is_found_by_its_number_while_its_file_is_there(tmp_path: Path) -> None:
    here, gone = tmp_path / "a.png", tmp_path / "b.png"
    here.write_bytes(b"")
    pictures = (picture(here), picture(gone))
    assert picture_path(pictures, 0) == here
    with pytest.raises(NotFoundError, match="gone"):
        picture_path(pictures, 1)
    for index in (-1, 2):
        with pytest.raises(NotFoundError, match=f"2 pictures; there is no number {index}"):
            picture_path(pictures, index)
