"""The curves of a run as a picture: its loss, and what was measured on fixed samples."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from modules.core.files import write_atomic

SMOOTH = 20  # rows that the thick line is a mean of


def draw_curves(rows: Sequence[Mapping[str, float | None]], path: Path) -> None:
    """A PNG with one panel per curve; nothing where matplotlib is not there or no row is yet."""
    names = ["loss", *sorted({name for row in rows for name in row if name.startswith("val/")})]
    curves = {name: _points(rows, name) for name in names}
    curves = {name: points for name, points in curves.items() if points}
    if not curves or importlib.util.find_spec("matplotlib") is None:
        return
    from matplotlib.figure import Figure  # not pyplot: that is one figure for all threads

    figure = Figure(figsize=(8, 2.4 * len(curves)), layout="constrained")
    panels = figure.subplots(len(curves), 1, sharex=True, squeeze=False)[:, 0]
    for panel, (name, points) in zip(panels, curves.items()):
        steps, values = zip(*points)
        smooth = [sum(values[max(0, i - SMOOTH + 1) : i + 1]) / min(i + 1, SMOOTH) for i in range(len(values))]
        single = name != "loss"
        panel.plot(steps, values, alpha=1.0 if single else 0.3, color="tab:blue", marker="." if single else "")
        if not single:
            panel.plot(steps, smooth, color="tab:blue")
        if min(values) > 0 and max(values) > 10 * min(values):
            panel.set_yscale("log")
        panel.set_ylabel(name)
        panel.grid(alpha=0.3)
    panels[-1].set_xlabel("step")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100)
    write_atomic(path, picture.getvalue())


def _points(rows: Sequence[Mapping[str, float | None]], name: str) -> list[tuple[float, float]]:
    return [(step, value) for row in rows if (value := row.get(name)) is not None and (step := row["step"]) is not None]
