"""A plot asked for on the page: its controls, its grid, and what is still there after a reload."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pytest
from PIL import Image

from modules.imaging.infotext import parse_infotext

pytestmark = pytest.mark.browser
WAIT_MS = 180_000
PLOT = "#script_txt2img_xyz_plot"


def _ready(page: Any) -> None:
    page.wait_for_function("uiLoaded && document.querySelector('#txt2img_ready textarea')?.value", timeout=WAIT_MS)
    page.click("#tab_button_txt2img")


def _choose(page: Any, control: str, name: str) -> None:
    page.click(f"{control} input")
    page.fill(f"{control} input", name)
    page.get_by_role("option", name=name, exact=True).first.click()


def test_a_plot_of_steps_and_cfg_is_drawn_from_the_page(browser_page: Any, program: str) -> None:
    page = browser_page
    _ready(page)
    page.wait_for_function("document.querySelector('#txt2img_width input').value === '256'", timeout=WAIT_MS)
    page.fill("#txt2img_prompt textarea", "red apple")
    page.fill("#txt2img_seed input", "1")
    assert not page.is_visible(f"{PLOT}_x_type")
    _choose(page, "#txt2img_script_container #script_list", "X/Y/Z plot")
    page.wait_for_selector(f"{PLOT}_x_type", state="visible")
    _choose(page, f"{PLOT}_x_type", "Steps")
    page.fill(f"{PLOT}_x_values textarea", "1-3 (+2)")
    _choose(page, f"{PLOT}_y_type", "CFG Scale")
    page.fill(f"{PLOT}_y_values textarea", "1, 4")
    page.keyboard.press("Tab")
    page.click("#txt2img_generate")
    page.wait_for_function(
        "!easel.busy && document.querySelector('.stage img.picture')?.naturalWidth > 600", timeout=WAIT_MS
    )
    shown = page.get_attribute(".stage img.picture", "src")
    grid = Image.open(io.BytesIO(httpx.get(program + shown.lstrip("/")).content))
    assert grid.width == 192 + 2 * 256
    assert grid.height > 2 * 256
    fields = parse_infotext(grid.info["parameters"])
    assert (fields["Script"], fields["X Type"], fields["X Values"]) == ("X/Y/Z plot", "Steps", "1-3 (+2)")
    assert (fields["Y Type"], fields["Y Values"]) == ("CFG Scale", "1, 4")
    page.wait_for_timeout(1500)  # the page stores what it shows a moment later
    page.reload()
    _ready(page)
    page.wait_for_selector(f"{PLOT}_y_values", state="visible", timeout=WAIT_MS)
    assert page.input_value(f"{PLOT}_y_values textarea") == "1, 4"
    _choose(page, f"{PLOT}_y_type", "Sampler")
    page.wait_for_selector(f"{PLOT}_y_values_dropdown", state="visible", timeout=WAIT_MS)


def test_a_value_that_cannot_be_is_told_before_anything_runs(browser_page: Any) -> None:
    page = browser_page
    _choose(page, f"{PLOT}_y_type", "Steps")
    page.fill(f"{PLOT}_y_values textarea", "1, many")
    page.keyboard.press("Tab")
    page.click("#txt2img_generate")
    page.wait_for_function(
        "document.querySelector('#html_log_txt2img').textContent.includes(\"'many' is not a number\")", timeout=WAIT_MS
    )
