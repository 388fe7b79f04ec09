"""Regions of a picture that have prompts of their own: rectangles drawn with the mouse, or typed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr

from modules.gradio_ui.components import hidden_text
from modules.gradio_ui.form import Form
from modules.processing.requests import Region, read_dataclass


def build_regions(form: Form[Any]) -> None:
    """Adds `regions`, JSON that assets/regions.js writes: a sheet to draw on, and a row for each rectangle."""
    tab = form.tab
    form.add("regions", hidden_text(f"{tab}_regions_kept"))
    gr.HTML(
        f'<div id="{tab}_regions" class="regions" role="group" data-t-aria="regions.title">'
        '<div class="regions-head"><span data-t="regions.title"></span><span class="quiet" data-t="regions.about">'
        '</span></div><div class="regions-sheet" data-t-title="regions.draw"></div><ul class="regions-list"></ul>'
        '<button type="button" class="gallery-button regions-add" data-icon="plus" data-t="regions.add"></button></div>'
    )


def regions_of(values: Mapping[str, Any]) -> tuple[Region, ...]:
    """What the sheet says, without regions that have no words yet. UserError names a number that is none."""
    try:
        told = json.loads(values.get("regions") or "[]")
    except ValueError:
        return ()
    found = [read_dataclass(Region, one, "regions.") for one in told] if isinstance(told, list) else []
    return tuple(one for one in found if one.prompt.strip())


def regions_text(regions: object) -> str:
    """The other way: what `regions` holds for a list of them."""
    return json.dumps(regions, ensure_ascii=False) if regions else ""
