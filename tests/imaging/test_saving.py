"""Saved pictures are numbered without gaps of meaning, never collide, keep their papers, and fall back to PNG."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import UserError
from modules.core.settings import Settings
from modules.imaging.metadata import Papers, open_image, read_papers
from modules.imaging.names import NameContext
from modules.imaging.saving import FORMATS, LargeCopy, SaveOptions, encode_image, output_folder, save_picture

ROOT = Path(__file__).resolve().parents[2]
PAPERS = Papers("a 猫\nSteps: 1, Sampler: Euler, Seed: 5", '{"easel":1}')
NAME = NameContext(seed=5, prompt="a cat", time=datetime(2025, 3, 9))


def picture(width: int = 16, height: int = 8) -> Image.Image:
    ramp = np.linspace(0, 255, width, dtype=np.uint8)
    return Image.fromarray(np.broadcast_to(ramp[None, :, None], (height, width, 3)).copy())


def save(folder: Path, **changes: object) -> Path:
    options = SaveOptions(**changes)  # pyright: ignore[reportArgumentType]
    return save_picture(picture(), folder, name=NAME, papers=PAPERS, options=options)


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_keeps_picture_and_papers(tmp_path: Path, kind: str):
    path = save(tmp_path, format=kind, quality=95)
    assert path.name == f"00000-5.{kind}"
    assert read_papers(path) == Papers(PAPERS.infotext, PAPERS.request, read_papers(path).extra)
    assert read_papers(path).infotext == PAPERS.infotext
    difference = np.abs(np.asarray(open_image(path).convert("RGB"), int) - np.asarray(picture(), int)).mean()
    assert difference == 0 if kind == "png" else difference < 5


def test_names_follow_a1111(tmp_path: Path):
    (tmp_path / "00041-1.png").write_bytes(b"")
    (tmp_path / "20250309120000.png").write_bytes(b"")  # a date, not a number
    assert save(tmp_path).name == "00042-5.png"
    assert save(tmp_path, pattern="").name == "00043.png"
    assert save(tmp_path, folder_pattern="[date]/[none]").relative_to(tmp_path) == Path("2025-03-09/00000-5.png")
    grids = [
        save_picture(picture(), tmp_path, name=NAME, papers=PAPERS, options=SaveOptions(pattern=""), grid="grid")
        for _ in "ab"
    ]
    assert [path.name for path in grids] == ["grid-0000.png", "grid-0001.png"]
    masked = save_picture(picture(), tmp_path, name=NAME, papers=PAPERS, options=SaveOptions(), suffix="-mask")
    assert masked.name == "00044-5-mask.png"


def test_without_numbers_a_file_is_replaced_or_kept(tmp_path: Path):
    assert [save(tmp_path, add_number=False).name for _ in "ab"] == ["5.png", "5.png"]
    names = [save(tmp_path, add_number=False, on_existing="Add number suffix").name for _ in "ab"]
    assert names == ["5-1.png", "5-2.png"]


def test_a_number_is_added_where_what_lies_beside_would_be_written_over(tmp_path: Path):
    for name in ("5.jpg", "5-1.txt"):
        (tmp_path / name).write_bytes(b"own")
    more = {"add_number": False, "on_existing": "Add number suffix", "save_txt": True}
    assert save(tmp_path, copy_large=LargeCopy(0, 4000), **more).name == "5-2.png"
    assert save(tmp_path, copy_large=LargeCopy(10**9, 4000), **more).name == "5.png"  # no copy is made
    assert [(tmp_path / name).read_bytes() for name in ("5.jpg", "5-1.txt")] == [b"own", b"own"]


def test_defaults_of_the_settings(tmp_path: Path):
    settings = Settings()
    options = SaveOptions.from_settings(settings)
    path = save_picture(picture(), output_folder(settings, tmp_path), name=NAME, papers=PAPERS, options=options)
    assert path == tmp_path / "outputs" / "txt2img-images" / "2025-03-09" / "00000-5.png"
    flat = SaveOptions.from_settings(Settings(None, {"save_to_dirs": False, "outdir_samples": "here"}))
    assert flat.pattern == "[seed]-[prompt_spaces]"
    assert SaveOptions.from_settings(settings, grid=True).pattern == ""
    assert options.copy_large == LargeCopy(4 * 1024 * 1024, 4000)
    assert SaveOptions.from_settings(Settings(None, {"export_for_4chan": False})).copy_large is None
    assert output_folder(Settings(None, {"outdir_grids": "/there"}), tmp_path, grid=True) == Path("/there")


def test_papers_can_be_left_out_and_written_beside(tmp_path: Path):
    for kind in ("png", "jpg"):
        path = save(tmp_path, papers=False, save_txt=True, format=kind)
        assert read_papers(path) == Papers("", None, {})
        assert path.with_suffix(".txt").read_text("utf-8") == PAPERS.infotext + "\n"


def test_what_a_format_cannot_hold_becomes_png(tmp_path: Path):
    wide = picture(16_384, 1)
    saved = save_picture(wide, tmp_path, name=NAME, papers=PAPERS, options=SaveOptions(format="webp"))
    assert saved.suffix == ".png"
    long = Papers("x" * 40_000)
    saved = save_picture(picture(), tmp_path, name=NAME, papers=long, options=SaveOptions(format="jpg"))
    assert (saved.suffix, read_papers(saved).infotext) == (".png", long.infotext)
    with pytest.raises(UserError, match="16384"):
        encode_image(wide, "webp", PAPERS)
    with pytest.raises(UserError, match="bmp"):
        encode_image(wide, "bmp", PAPERS)


@pytest.mark.parametrize(("limit", "copied"), [(LargeCopy(10**9, 16), None), (LargeCopy(50, 16), (16, 8))])
def test_a_file_of_many_bytes_gets_a_jpeg_beside_it(tmp_path: Path, limit: LargeCopy, copied: tuple[int, int] | None):
    path = save(tmp_path, copy_large=limit)
    beside = path.with_suffix(".jpg")
    assert beside.exists() == (copied is not None)
    if copied:
        assert open_image(beside).size == copied
        assert read_papers(beside).infotext == PAPERS.infotext
    assert np.array_equal(np.asarray(open_image(path)), np.asarray(picture()))


@pytest.mark.parametrize(("size", "smaller"), [((90, 30), (60, 20)), ((30, 90), (20, 60)), ((90, 90), (60, 60))])
def test_a_side_too_long_is_made_shorter_in_the_copy(tmp_path: Path, size: tuple[int, int], smaller: tuple[int, int]):
    options = SaveOptions(copy_large=LargeCopy(10**9, 60))
    path = save_picture(picture(*size), tmp_path, name=NAME, papers=PAPERS, options=options)
    assert open_image(path).size == size
    assert open_image(path.with_suffix(".jpg")).size == smaller


def test_a_jpeg_is_its_own_copy(tmp_path: Path):
    path = save(tmp_path, format="jpg", copy_large=LargeCopy(0, 8))
    assert open_image(path).size == picture().size
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", FORMATS)
def test_alpha_is_kept_in_png_and_dropped_elsewhere(kind: str):
    clear = Image.new("RGBA", (8, 8), (200, 10, 10, 0))
    with Image.open(io.BytesIO(encode_image(clear, kind, PAPERS))) as found:
        assert found.mode == ("RGBA" if kind == "png" else "RGB")


def test_long_names_are_cut_to_what_disks_take(tmp_path: Path):
    name = NameContext(seed=5, prompt="猫 " * 300)
    options = SaveOptions(pattern="[prompt]-[prompt_spaces]-[prompt_words]", save_txt=True)
    path = save_picture(picture(), tmp_path, name=name, papers=PAPERS, options=options, suffix="-mask-composite")
    assert len(path.name.encode()) <= 255
    assert path.exists()


def test_long_folder_names_are_cut_to_what_disks_take_between_characters(tmp_path: Path):
    name = NameContext(prompt="雪山上的日出" * 30)  # 3 bytes a character
    options = SaveOptions(folder_pattern="[prompt_words]/a[prompt_words]")
    path = save_picture(picture(), tmp_path, name=name, papers=PAPERS, options=options)
    assert path.exists()
    assert [len(part) for part in path.relative_to(tmp_path).parts[:2]] == [255 // 3, 1 + 254 // 3]


def test_threads_never_share_a_number(tmp_path: Path):
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: save(tmp_path).name, range(40)))
    assert sorted(names) == [f"{number:05}-5.png" for number in range(40)]


def test_processes_never_share_a_number(tmp_path: Path):
    code = f"""
import sys
from pathlib import Path
from PIL import Image
from modules.imaging.metadata import Papers
from modules.imaging.names import NameContext
from modules.imaging.saving import SaveOptions, save_picture
for seed in range(15):
    name, papers = NameContext(seed=seed + 100 * int(sys.argv[1])), Papers("x")
    save_picture(Image.new("RGB", (4, 4)), Path({str(tmp_path)!r}), name=name, papers=papers, options=SaveOptions())
"""
    running = [subprocess.Popen([sys.executable, "-c", code, str(index)], cwd=ROOT) for index in range(4)]
    assert [one.wait(120) for one in running] == [0] * 4
    names = sorted(os.listdir(tmp_path))
    assert [name[:5] for name in names] == [f"{number:05}" for number in range(60)]
    assert len({name[6:] for name in names}) == 60


def test_a_number_held_by_a_crash_is_skipped(tmp_path: Path):
    (tmp_path / ".00000.saving").touch()
    assert save(tmp_path).name == "00001-5.png"


def test_a_folder_that_cannot_be_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="could not be saved in file") as refused:
        save(tmp_path / "file")
    assert str(tmp_path) not in str(refused.value), "the message may go to another machine"


def test_the_settings_on_names_reach_the_file(tmp_path: Path):
    name = NameContext(seed=5, prompt="is it? a very long prompt")
    values = {"samples_filename_pattern": "[prompt_spaces]", "save_to_dirs": False}
    values |= {"filenames_max_length": 8, "unix_filenames_sanitization": True}
    options = SaveOptions.from_settings(Settings(None, values))
    path = save_picture(picture(), tmp_path, name=name, papers=PAPERS, options=options)
    assert path.name == ("00000-is it_ a.png" if os.name == "nt" else "00000-is it? a.png")
