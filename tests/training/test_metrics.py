from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from modules.training.curves import draw_curves
from modules.training.metrics import Metrics, read_rows


def test_rows_after_the_resumed_step_are_dropped(tmp_path: Path) -> None:
    first = Metrics(tmp_path, 0)
    for step in (1, 2, 3):
        first.note(step, {"loss": float(step)})
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 4, "lo')  # killed while it was written
    second = Metrics(tmp_path, 2)
    second.note(3, {"loss": 30.0})
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(row["step"], row["loss"]) for row in rows] == [(1, 1.0), (2, 2.0), (3, 30.0)]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on a file's size that cuts a write short")
def test_no_half_line_is_left_when_the_disk_fills_up(tmp_path: Path) -> None:
    import resource

    metrics, path = Metrics(tmp_path, 0), tmp_path / "metrics.jsonl"
    metrics.note(1, {"loss": 1.0})
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 9, limits[1]))
    try:
        with pytest.raises(OSError, match="No space left"):
            metrics.note(2, {"loss": 2.0})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    metrics.note(2, {"loss": 2.0})
    assert [row["step"] for row in read_rows(path)] == [1, 2]


def test_what_json_has_no_number_for_is_null(tmp_path: Path) -> None:
    Metrics(tmp_path, 0).note(1, {"loss": 1.0, "norm": float("inf")})
    raw = (tmp_path / "metrics.jsonl").read_text()
    row = json.loads(raw, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert row["norm"] is None


def test_curves_are_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from PIL import Image

    metrics = Metrics(tmp_path, 0)
    metrics.note(1, {"loss": 2.0})
    metrics.draw()
    height = Image.open(tmp_path / "loss.png").height
    for step in range(2, 60):
        metrics.note(step, {"loss": 2.0 / step, "lr": 0.1})
    metrics.note(60, {"val/psnr": 20.0})
    metrics.note(60, {"val/psnr": 21.0, "val/mse": 0.5})
    metrics.draw()
    assert Image.open(tmp_path / "loss.png").height == 3 * height, "a panel for the loss and for each measurement"


def test_no_row_no_picture(tmp_path: Path) -> None:
    draw_curves(read_rows(tmp_path / "metrics.jsonl"), tmp_path / "loss.png")
    assert not (tmp_path / "loss.png").exists()


def test_tensorboard_reads_the_numbers(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for start in (0, 2):
        metrics = Metrics(tmp_path, start)
        for step in range(start + 1, start + 4):
            metrics.note(step, {"loss": float(10 * start + step)})
        metrics.close()
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(one.step, one.value) for one in events.Scalars("loss")] == [(1, 1), (2, 2), (3, 23), (4, 24), (5, 25)]
