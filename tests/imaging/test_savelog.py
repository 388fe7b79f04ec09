"""log.csv reads back with any prompt in it, one header, one row per picture."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from modules.imaging.infotext import build_infotext, parse_infotext
from modules.imaging.savelog import COLUMNS, append_log, log_row


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_picture_becomes_a_row(tmp_path: Path):
    fields = {"Steps": 20, "Sampler": "Euler a", "CFG scale": 7, "Seed": 5, "Size": "512x768", "Model": "tiny"}
    infotext = build_infotext('a "red", 猫\nof glass', "bad", fields)
    path = append_log(tmp_path / "log", log_row(parse_infotext(infotext), "00000-5.png"))
    values = ['a "red", 猫\nof glass', "5", "512", "768", "Euler a", "7", "20", "00000-5.png", "bad", "tiny", ""]
    assert rows(path) == [dict(zip(COLUMNS, values, strict=True))]


def test_rows_written_at_once_stay_whole(tmp_path: Path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seed: append_log(tmp_path, {"seed": seed, "prompt": "x\n" * 200}), range(60)))
    assert sorted(int(row["seed"]) for row in rows(tmp_path / "log.csv")) == list(range(60))
