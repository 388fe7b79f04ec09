"""The card keeps everything but the block; the sheet is small; JSON has no infinities."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import UserError
from modules.training.measures import Composed, Labelled, Measure
from modules.training.report import BEGIN, END, MOST_BYTES, Report, check_card, replace_block, write_card, write_sheet

REPORT = Report(
    {"model": "easel-mini", "steps": 20},
    (
        Measure("Autoencoder: PSNR", 29.04, "dB", "mean of 85", low=28),
        Measure("Autoencoder: SSIM", 0.9214, "", "RGB", low=0.93),
    ),
    (Labelled("rocket", 1, 2, "airplane"),),
    (Composed("rocket on a red background", 1, "red", "pink"),),
)


def test_the_table_says_value_bar_and_whether_it_is_met() -> None:
    assert REPORT.to_markdown().splitlines() == [
        "| measure | value | bar | met | how |",
        "|---|---|---|---|---|",
        "| Autoencoder: PSNR | 29.0 dB | at least 28 dB | yes | mean of 85 |",
        "| Autoencoder: SSIM | 0.921 | at least 0.93 | no | RGB |",
        "",
        "Measured by `python -m modules.training.evaluate`: model easel-mini, steps 20.",
    ]


def test_json_tells_every_picture() -> None:
    told = json.loads(REPORT.to_json())
    assert told["measures"][0]["high"] is None
    assert told["measures"][1]["met"] is False
    assert told["labels"] == [{"prompt": "rocket", "seed": 1, "place": 2, "nearest": "airplane"}]
    assert told["compositions"][0]["seen"] == "pink"
    perfect = Report({}, (Measure("PSNR", math.inf, "dB", "", low=28),), (), ())
    assert json.loads(perfect.to_json())["measures"][0]["value"] is None


def test_only_the_block_of_the_card_is_replaced(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    before, after = "---\nlicense: mit\n---\r\n\n# ä\n", "\n\n## Learned from\n"
    card.write_bytes(f"{before}{BEGIN}\nold\n| rows |\n{END}{after}".encode())
    write_card(card, "new")
    assert card.read_bytes().decode() == f"{before}{BEGIN}\nnew\n{END}{after}"
    write_card(card, "newer\nyet")
    assert card.read_bytes().decode() == f"{before}{BEGIN}\nnewer\nyet\n{END}{after}"
    assert list(tmp_path.iterdir()) == [card]


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_a_card_without_one_place_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="Put <!-- measured: begin -->"):
        replace_block(text, "new")


def test_a_missing_card_is_named_before_anything_is_painted(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no model card .*README\.md"):
        check_card(tmp_path / "README.md")


def test_the_sheet_shows_each_picture_in_its_place_and_is_small(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (47, 64, 64, 3), np.uint8)
    pictures = [*noise, np.full((64, 64, 3), (0, 0, 255), np.uint8)]
    write_sheet(tmp_path / "sheet.jpg", pictures, ["a long prompt on an orange background"] * 48)
    assert (tmp_path / "sheet.jpg").stat().st_size <= MOST_BYTES
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.format == "JPEG"
        rows, columns = 6, 8
        cell = sheet.height // rows
        blue = np.asarray(sheet)[5 * cell : 5 * cell + 128, 7 * 128 : 8 * 128].mean((0, 1))
        caption = np.asarray(sheet)[5 * cell + 128 :, 7 * 128 : 8 * 128]
    assert sheet.width == columns * 128
    assert np.abs(blue - (0, 0, 255)).max() < 8
    assert caption.min() < 100 < 200 < caption.mean()
