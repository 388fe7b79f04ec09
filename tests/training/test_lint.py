"""A corpus of broken datasets, each made by code with one fault, and the codes that the linter finds in them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from modules.core.errors import UserError
from modules.training.datasets.looks import ALIKE_BITS, perceptual_hash
from modules.training.lint import LintOptions, LintReport, lint
from modules.training.lint_rules import LEVELS, RULES

SIDE = 96
SMALL: dict[str, Any] = {"size": 64, "bucket_step": 16}
WORDS = ("red barn", "old mill", "blue boat", "tall tower", "grey cat", "green hill")


def blocks(seed: int, size: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
    """Coloured blocks with hard edges: sharp, and like no other seed's."""
    colours = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(colours).resize(size, Image.Resampling.NEAREST)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Six sharp, different pictures with captions."""
    folder = tmp_path / "set"
    folder.mkdir()
    for seed, words in enumerate(WORDS):
        blocks(seed).save(folder / f"{words}.png")
        (folder / f"{words}.txt").write_text(f"a picture of a {words}")
    return folder


def codes(report: LintReport) -> set[str]:
    return {one.code for one in report.findings}


def checked(folder: Path, **options: Any) -> LintReport:
    return lint(folder, LintOptions(**{**SMALL, **options}))


def test_a_good_folder_has_no_findings(good: Path) -> None:
    report = checked(good, batch_size=2, steps=30)
    assert report.findings == ()
    assert report.ok
    assert (report.pictures, report.draws, report.steps_per_epoch, report.epochs) == (6, 6, 3, 10)
    assert report.captions == {"text": 6}
    assert [(one.width, one.height, one.pictures, one.batches) for one in report.buckets] == [(64, 64, 6, 3)]
    assert report.examples[0] == "a picture of a blue boat"
    json.dumps(report.to_json())


def only_hidden(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    blocks(0).save(folder / ".hidden.png")


def no_picture(folder: Path) -> None:
    (folder / "red barn.png").write_text("<html>")


def cut_file(folder: Path) -> None:
    path = folder / "red barn.png"
    path.write_bytes(path.read_bytes()[:-60])


def latin_caption(folder: Path) -> None:
    (folder / "red barn.txt").write_bytes(b"caf\xe9")


def shared_caption(folder: Path) -> None:
    blocks(70).convert("RGB").save(folder / "red barn.webp", lossless=True)


def all_empty(folder: Path) -> None:
    for path in folder.glob("*.txt"):
        path.write_text(" \n")


def bad_listing(folder: Path) -> None:
    (folder / "metadata.jsonl").write_text('{"text": "no name"}\n')


def missing_picture(folder: Path) -> None:
    (folder / "metadata.jsonl").write_text('{"file_name": "gone.png", "text": "x"}\n')


def tiny(folder: Path) -> None:
    blocks(0, (40, 40)).save(folder / "red barn.png")


def blurred(folder: Path) -> None:
    blocks(0).filter(ImageFilter.GaussianBlur(6)).save(folder / "red barn.png")


def copied(folder: Path) -> None:
    (folder / "twin.png").write_bytes((folder / "red barn.png").read_bytes())
    (folder / "twin.txt").write_text("a twin")


def nearly_copied(folder: Path) -> None:
    blocks(0, (120, 120)).point(lambda value: min(255, value + 4)).save(folder / "again.jpg", quality=80)
    (folder / "again.txt").write_text("a barn again")


def no_caption(folder: Path) -> None:
    (folder / "red barn.txt").unlink()


def one_empty(folder: Path) -> None:
    (folder / "red barn.txt").write_text("")


def long_caption(folder: Path) -> None:
    (folder / "red barn.txt").write_text("very " * 90 + "red barn")


def orphan(folder: Path) -> None:
    (folder / "notes.txt").write_text("to do")


def two_captions(folder: Path) -> None:
    (folder / "red barn.caption").write_text("something else")


def all_same(folder: Path) -> None:
    for path in folder.glob("*.txt"):
        path.write_text("a picture")


def transparent(folder: Path) -> None:
    picture = blocks(0).convert("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 48, 96))
    picture.save(folder / "red barn.png")


def one_mask(folder: Path) -> None:
    Image.new("L", (SIDE, SIDE), 255).save(folder / "red barn-masklabel.png")


def all_masks(folder: Path, colour: int = 255) -> None:
    for path in [*folder.glob("*.png")]:
        Image.new("L", (SIDE, SIDE), colour).save(folder / f"{path.stem}-masklabel.png")


def black_mask(folder: Path) -> None:
    all_masks(folder)
    Image.new("L", (SIDE, SIDE), 0).save(folder / "red barn-masklabel.png")


def broken_mask(folder: Path) -> None:
    all_masks(folder)
    (folder / "red barn-masklabel.png").write_bytes(b"x")


def odd_mask(folder: Path) -> None:
    all_masks(folder)
    Image.new("L", (SIDE, SIDE // 2), 255).save(folder / "red barn-masklabel.png")


def long_picture(folder: Path) -> None:
    blocks(0, (600, 100)).save(folder / "red barn.png")


def few(folder: Path) -> None:
    for words in WORDS[2:]:
        (folder / f"{words}.png").unlink()
        (folder / f"{words}.txt").unlink()


def lonely(folder: Path) -> None:
    blocks(0, (200, 100)).save(folder / "red barn.png")


def uneven(folder: Path) -> None:
    for name in ("1_mill", "40_barn"):
        (folder / name).mkdir()
    for place, words in (("1_mill", WORDS[1]), ("40_barn", WORDS[0])):
        for kind in (".png", ".txt"):
            (folder / f"{words}{kind}").rename(folder / place / f"{words}{kind}")


def animated(folder: Path) -> None:
    (folder / "red barn.png").unlink()
    frames = [blocks(seed) for seed in (50, 51)]
    frames[0].save(folder / "red barn.gif", save_all=True, append_images=frames[1:])


def turned(folder: Path) -> None:
    (folder / "red barn.png").unlink()
    exif = Image.Exif()
    exif[0x0112] = 6
    blocks(0, (120, 100)).save(folder / "red barn.jpg", exif=exif, quality=95)


def left_hand(folder: Path) -> None:
    (folder / "red barn.txt").write_text("a red barn on the left")


def own_regularisation(folder: Path) -> None:
    (folder / "reg").mkdir()
    (folder / "reg" / "barn.png").write_bytes((folder / "red barn.png").read_bytes())


Break = Callable[[Path], None]
CORPUS: list[tuple[Break, dict[str, Any], set[str]]] = [
    (only_hidden, {}, {"no_pictures"}),
    (no_picture, {}, {"unreadable"}),
    (cut_file, {}, {"unreadable"}),
    (latin_caption, {}, {"caption_unreadable", "caption_empty"}),
    (shared_caption, {}, {"caption_shared"}),
    (all_empty, {}, {"nothing_said"}),
    (bad_listing, {}, {"metadata_unreadable"}),
    (missing_picture, {}, {"picture_missing"}),
    (tiny, {}, {"small"}),
    (blurred, {}, {"blurred"}),
    (copied, {}, {"same"}),
    (nearly_copied, {}, {"alike"}),
    (no_caption, {}, {"caption_missing"}),
    (no_caption, {"trigger": "sks"}, set()),
    (one_empty, {}, {"caption_empty"}),
    (long_caption, {}, {"caption_long"}),
    (orphan, {}, {"caption_orphan"}),
    (two_captions, {}, {"caption_twice"}),
    (all_same, {}, {"captions_same"}),
    (transparent, {}, {"transparent"}),
    (transparent, {"masks": True}, {"mask_missing"}),
    (one_mask, {}, set()),
    (one_mask, {"masks": True}, {"mask_missing"}),
    (black_mask, {"masks": True}, {"mask_empty"}),
    (broken_mask, {"masks": True}, {"mask_unreadable"}),
    (odd_mask, {"masks": True}, {"mask_shape"}),
    (long_picture, {}, {"cut_off"}),
    (few, {}, {"few_pictures"}),
    (lonely, {"batch_size": 2}, {"lonely_bucket"}),
    (lonely, {"batch_size": 1}, set()),
    (uneven, {}, {"uneven_repeats"}),
    (animated, {}, {"animated"}),
    (turned, {}, {"turned"}),
    (left_hand, {}, set()),
    (left_hand, {"flips": True}, {"not_mirrored"}),
    (own_regularisation, {}, {"regularisation_same"}),
    (lambda _: None, {"steps": 5}, {"seldom_seen"}),
    (lambda _: None, {"steps": 5000}, {"often_seen"}),
]


@pytest.mark.parametrize(
    ("spoil", "options", "expected"), CORPUS, ids=[f"{index}-{one[0].__name__}" for index, one in enumerate(CORPUS)]
)
def test_each_broken_folder_has_its_finding_and_no_other(
    good: Path, spoil: Break, options: dict[str, Any], expected: set[str]
) -> None:
    spoil(good)
    report = checked(good, **options)
    assert codes(report) == expected, report.findings
    assert report.ok == (not any(RULES[code].level == "error" for code in expected))
    told = json.dumps(report.to_json())
    assert str(good.parent) not in told, "the place on this machine is told"


def test_the_corpus_has_every_rule() -> None:
    assert set().union(*(expected for _, _, expected in CORPUS)) == set(RULES)


def test_findings_name_files_from_the_folder_and_come_by_level(good: Path) -> None:
    no_picture(good)
    (good / "deep").mkdir()
    blocks(9, (40, 60)).save(good / "deep" / "mill.png")
    report = checked(good, steps=5)
    found = {one.code: one for one in report.findings}
    assert [(one.file, one.detail) for one in found["small"].files] == [("deep/mill.png", "40x60 < 48x80")]
    assert [one.file for one in found["unreadable"].files] == ["red barn.png"]
    order = [LEVELS.index(one.level) for one in report.findings]
    assert order == sorted(order)
    assert not report.ok


def test_pictures_are_told_as_they_are_looked_at(good: Path) -> None:
    seen: list[tuple[int, int]] = []
    lint(good, LintOptions(**SMALL), lambda done, of: seen.append((done, of)))
    assert seen == [(number, 6) for number in range(1, 7)]


def test_the_hash_stays_when_a_picture_is_scaled_and_differs_between_pictures() -> None:
    pictures = [blocks(seed).filter(ImageFilter.GaussianBlur(4)) for seed in range(40)]
    hashes = [perceptual_hash(one) for one in pictures]
    for picture, told in zip(pictures, hashes):
        scaled = perceptual_hash(picture.resize((64, 200), Image.Resampling.LANCZOS))
        assert (told ^ scaled).bit_count() <= ALIKE_BITS
    apart = [(a ^ b).bit_count() for index, a in enumerate(hashes) for b in hashes[:index]]
    assert min(apart) > ALIKE_BITS
    assert 30 < np.mean(apart) < 34, "half of 64 bits, as of things that have nothing to do with each other"


def test_plain_pictures_of_other_colours_are_not_alike(tmp_path: Path) -> None:
    for name, colour in (("red", (200, 0, 0)), ("blue", (0, 0, 200)), ("reddish", (202, 0, 0))):
        Image.new("RGB", (64, 64), colour).save(tmp_path / f"{name}.png")
    found = {one.code: one for one in checked(tmp_path).findings}
    assert [(one.file, one.detail) for one in found["alike"].files] == [("reddish.png", "~ red.png")]


@pytest.mark.parametrize(("options", "field"), [({"size": 4}, "size"), ({"size": 60}, "bucket_step")])
def test_options_that_cannot_be_are_refused(good: Path, options: dict[str, Any], field: str) -> None:
    with pytest.raises(UserError) as error:
        checked(good, **options)
    assert error.value.field == field
    with pytest.raises(UserError, match="no folder"):
        lint(good / "nowhere")


def test_linting_needs_no_torch() -> None:
    code = "import sys, modules.training.lint; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.strip() == "False"
