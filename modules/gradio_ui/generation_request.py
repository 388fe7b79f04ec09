"""The groups of a request from a form's values by name; an emptied number takes its default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modules.gradio_ui import paste
from modules.gradio_ui.regions_form import regions_of
from modules.gradio_ui.script_box import script_of
from modules.processing.requests import (
    After,
    Generate,
    ModelChoice,
    Prompt,
    Refiner,
    Sampling,
    Seed,
    Shape,
    Tiling,
    Windows,
)

Values = Mapping[str, Any]
TILING: Mapping[str, Tiling] = {"off": False, "x": "x", "y": "y", "both": "both"}  # what else it says: as the setting


def whole(values: Values, name: str, default: int) -> int:
    return default if values.get(name) is None else int(values[name])


def real(values: Values, name: str, default: float) -> float:
    return default if values.get(name) is None else float(values[name])


def common_request(values: Values) -> Generate:
    """What all kinds of pictures are asked for; the source and what comes after are the tab's own."""
    refiner = values.get("refiner") or "None"
    switch_at = real(values, "refiner_switch_at", 0.8)
    return Generate(
        prompt=Prompt(
            positive=values.get("prompt") or "",
            negative=values.get("negative") or "",
            styles=tuple(values.get("styles") or ()),
        ),
        shape=Shape(
            width=whole(values, "width", 512),
            height=whole(values, "height", 512),
            batch_size=whole(values, "batch_size", 1),
            batch_count=whole(values, "batch_count", 1),
            method=values.get("method") or "direct",
            windows=Windows(
                size=whole(values, "window_size", 0),
                overlap=whole(values, "window_overlap", 0),
                regions=regions_of(values),
            ),
        ),
        seed=Seed(
            seed=whole(values, "seed", -1),
            variation=whole(values, "subseed", -1),
            variation_strength=real(values, "subseed_strength", 0.0),
            resize_from_width=whole(values, "seed_resize_from_w", 0),
            resize_from_height=whole(values, "seed_resize_from_h", 0),
        ),
        sampling=Sampling(
            sampler=values.get("sampler"),
            schedule=values.get("schedule") or "Automatic",
            steps=whole(values, "steps", 20),
            cfg_scale=real(values, "cfg_scale", 7.0),
        ),
        model=ModelChoice(
            refiner=None if refiner == "None" else Refiner(checkpoint=refiner, switch_at=switch_at),
            tiling=TILING.get(values.get("tiling") or ""),
        ),
        after=After(script=script_of(values)),
        overrides=paste.read_overrides(values.get("overrides") or []),
    )
