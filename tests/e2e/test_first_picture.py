"""The program as a newcomer meets it: started for real, with the embedded model, in a browser and over HTTP."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
WAIT_MS = 120_000
MODEL = ROOT / "models" / "Stable-diffusion" / "easel-mini"


def _ready(page: Any) -> None:
    page.wait_for_function("uiLoaded && document.querySelector('#txt2img_ready textarea')?.value", timeout=WAIT_MS)
    page.click("#tab_button_txt2img")


def _background(image: Image.Image) -> np.ndarray:
    """Median colour of the four corners, RGB."""
    array = np.asarray(image.convert("RGB"))
    corners = [array[:16, :16], array[:16, -16:], array[-16:, :16], array[-16:, -16:]]
    return np.median(np.concatenate([one.reshape(-1, 3) for one in corners]), axis=0)


def test_the_first_picture_needs_no_download(browser_page: Any, program: str) -> None:
    page = browser_page
    page.wait_for_function("document.querySelector('#txt2img_width input').value === '256'", timeout=WAIT_MS)
    page.fill("#txt2img_prompt textarea", "red apple")
    page.fill("#txt2img_seed input", "1")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".stage img.preview", timeout=WAIT_MS)
    page.wait_for_selector(".stage img.picture", timeout=WAIT_MS)
    shown = page.get_attribute(".stage img.picture", "src")
    picture = Image.open(io.BytesIO(httpx.get(program + shown.lstrip("/")).content))
    assert picture.size == (256, 256)
    assert picture.info["parameters"].startswith("red apple\nSteps: 20, ")
    middle = np.asarray(picture.convert("RGB"))[96:160, 96:160].mean((0, 1))
    assert middle[0] > 1.5 * max(middle[1], middle[2]), f"no red apple: the middle is {middle}"
    page.wait_for_timeout(800)  # the page stores what it shows a moment later
    page.reload()
    _ready(page)
    page.wait_for_selector(".stage img.picture", timeout=WAIT_MS)
    assert page.get_attribute(".stage img.picture", "src") == shown
    assert page.input_value("#txt2img_prompt textarea") == "red apple"


def test_numbers_out_of_range_are_told_and_emptied_ones_are_the_models(browser_page: Any) -> None:
    page = browser_page
    for wrong, said in (("99999", "The width is 99999, but 64 to 16384"), ("10", "The width is 10, but 64 to 16384")):
        page.fill("#txt2img_width input", wrong)
        page.keyboard.press("Tab")
        page.click("#txt2img_generate")
        page.wait_for_function(
            f"document.querySelector('#html_log_txt2img').textContent.includes('{said}')", timeout=30_000
        )
    page.fill("#txt2img_width input", "")
    page.fill("#txt2img_steps input[type=number]", "2")
    page.keyboard.press("Tab")
    before = page.get_attribute(".stage img.picture", "src")
    page.click("#txt2img_generate")
    page.wait_for_function(
        f"!easel.busy && document.querySelector('.stage img.picture').getAttribute('src') !== '{before}'",
        timeout=WAIT_MS,
    )
    chips = "document.querySelector('#txt2img_results_panel').innerText"
    page.wait_for_function(f"{chips}.includes('256\u00d7256')", timeout=30_000)
    page.fill("#txt2img_steps input[type=number]", "20")
    page.fill("#txt2img_width input", "256")


def test_the_api_gives_the_picture_that_the_words_say(program: str) -> None:
    asked = {
        "prompt": "panda on a green background",
        "seed": 3,
        "steps": 20,
        "cfg_scale": 5,
        "width": 256,
        "height": 256,
    }
    answer = httpx.post(program + "sdapi/v1/txt2img", json=asked, timeout=WAIT_MS / 1000)
    assert answer.status_code == 200, answer.text
    picture = Image.open(io.BytesIO(base64.b64decode(answer.json()["images"][0])))
    red, green, blue = _background(picture)
    assert green > 1.3 * max(red, blue), (red, green, blue)


def test_the_embedded_model_is_light_and_whole() -> None:
    sizes = {file.name: file.stat().st_size for file in MODEL.rglob("*") if file.is_file()}
    assert sum(sizes.values()) <= 48_000_000, sizes
    assert max(sizes.values()) < 40_000_000, sizes
    assert {"model_index.json", "README.md", "easel.json"} <= set(sizes)
