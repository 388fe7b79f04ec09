"""Working on pictures in a real Chromium, with the embedded model: draw a mask, erase, undo, inpaint, enlarge."""

from __future__ import annotations

import io
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from modules.gradio_ui.img2img_request import drawn_mask
from modules.imaging.masks import blur_mask

pytestmark = pytest.mark.browser
WAIT_MS = 180_000
SIDE = 256
BOX = "#img2maskimg"


def source() -> Image.Image:
    """Colours that differ from pixel to pixel, so that any change shows."""
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (SIDE, SIDE, 3), np.uint8))


def bytes_of(image: Image.Image) -> bytes:
    raw = io.BytesIO()
    image.save(raw, "PNG")
    return raw.getvalue()


def fetch(program: str, address: str) -> Image.Image:
    return Image.open(io.BytesIO(httpx.get(program + address.lstrip("/"), timeout=60).content))


def kept(page: Any, control: str) -> str:
    return page.input_value(f"#img2img_{control} textarea")


def tool(page: Any, name: str) -> None:
    page.click(f"{BOX} [data-tool={name}]")


def stroke(page: Any, *points: tuple[float, float]) -> None:
    """A line through points given in pixels of the picture."""
    layer = page.locator(f"{BOX} .canvas-layer")
    layer.evaluate("(one) => one.scrollIntoView({block: 'center', behavior: 'instant'})")
    seen = layer.bounding_box()
    assert seen is not None
    scale = seen["width"] / SIDE
    page.mouse.move(seen["x"] + points[0][0] * scale, seen["y"] + points[0][1] * scale)
    page.mouse.down()
    for x, y in points[1:]:
        page.mouse.move(seen["x"] + x * scale, seen["y"] + y * scale, steps=4)
    page.mouse.up()


def mask(page: Any, program: str) -> np.ndarray:
    """The mask that the server holds, white where it is painted, once all that was drawn is there."""
    page.evaluate("settleDrawing()")
    page.wait_for_timeout(100)
    reference = kept(page, "inpaint_drawn")
    if not reference:
        return np.zeros((SIDE, SIDE), np.uint8)
    return np.asarray(drawn_mask(fetch(program, f"easel/inputs/{reference.removeprefix('sha256:')}")))


def generate(page: Any, tab: str, press: str = "") -> str:
    """Make pictures, and give the address of the first."""
    before = page.evaluate("(tab) => watched[tab]?.id || ''", tab)
    page.click(press or f"#{tab}_generate")
    page.wait_for_function(
        "([tab, old]) => watched[tab] && watched[tab].id !== old && !watched[tab].live",
        arg=[tab, before],
        timeout=WAIT_MS,
    )
    page.wait_for_selector(f"#{tab}_results_panel img.picture", timeout=WAIT_MS)
    return page.get_attribute(f"#{tab}_results_panel img.picture", "src")


@pytest.fixture(scope="module")
def page(browser_page: Any) -> Any:
    page = browser_page
    page.wait_for_function("document.querySelector('#txt2img_width input').value === '256'", timeout=WAIT_MS)
    page.click("#tab_button_img2img")
    page.click("[data-panel=img2img_inpaint_tab]")
    page.set_input_files(
        f"{BOX} .drop input", {"name": "noise.png", "mimeType": "image/png", "buffer": bytes_of(source())}
    )
    page.wait_for_selector(f"{BOX} .canvas-layer", timeout=WAIT_MS)
    page.wait_for_function("!!box('img2img_inpaint_kept').value", timeout=WAIT_MS)
    page.fill("#img2img_prompt textarea", "red apple")
    page.fill("#img2img_steps input[type=number]", "4")
    return page


def test_a_mask_is_drawn_erased_and_the_erasing_undone(page: Any, program: str) -> None:
    stroke(page, (80, 128), (180, 128))
    drawn = mask(page, program)
    assert drawn[128, 90] == drawn[128, 130] == drawn[128, 170] == 255
    assert drawn[60, 128] == 0
    tool(page, "eraser")
    stroke(page, (130, 90), (130, 170))
    erased = mask(page, program)
    assert (erased[128, 90], erased[128, 130], erased[128, 170]) == (255, 0, 255)
    tool(page, "undo")
    assert (mask(page, program) == drawn).all()
    tool(page, "redo")
    assert (mask(page, program) == erased).all()


def test_only_the_mask_is_painted_anew(page: Any, program: str) -> None:
    made = np.asarray(fetch(program, generate(page, "img2img")).convert("RGB"))
    before, painted = np.asarray(source()), mask(page, program)
    untouched = np.asarray(blur_mask(Image.fromarray(painted), 4, 4)) == 0
    assert untouched.mean() > 0.5
    assert (made[untouched] == before[untouched]).all()
    assert np.abs(made[painted == 255].astype(int) - before[painted == 255]).mean() > 20


def test_a_mask_is_filled_turned_round_and_drawn_on(page: Any, program: str) -> None:
    before = mask(page, program)
    tool(page, "fill")
    assert (mask(page, program) == 255).all()
    stroke(page, (40, 40), (60, 40))  # the eraser is still chosen
    holed = mask(page, program)
    assert holed[40, 50] == 0
    assert holed[200, 200] == 255
    tool(page, "invert")
    assert (mask(page, program) == 255 - holed).all()
    for _ in range(3):
        tool(page, "undo")
    assert (mask(page, program) == before).all()


def test_a_saved_mask_can_be_loaded_again(page: Any, program: str) -> None:
    before = mask(page, program)
    with page.expect_download() as saving:
        tool(page, "save_mask")
    saved = saving.value.path()
    assert (np.asarray(Image.open(saved).convert("L")) == before).all()
    tool(page, "wipe")
    assert not mask(page, program).any()
    page.set_input_files(f"{BOX} .canvas-bar input[type=file]", str(saved))
    page.wait_for_function("easel.canvases.img2maskimg.copyHasInk()", timeout=WAIT_MS)
    assert (mask(page, program) == before).all()


def test_the_feather_preview_follows_the_blur(page: Any) -> None:
    tool(page, "feather")
    deviation = "document.querySelector('#img2img_feather feGaussianBlur').getAttribute('stdDeviation')"
    page.fill("#img2img_mask_blur input[type=number]", "8")
    page.wait_for_function(f"parseFloat({deviation}) > 8 * 0.9", timeout=WAIT_MS)
    assert "img2img_feather" in page.evaluate(f"document.querySelector('{BOX} .canvas-layer').style.filter")
    tool(page, "feather")
    page.fill("#img2img_mask_blur input[type=number]", "4")


def test_a_reload_keeps_mode_picture_and_mask(page: Any, program: str) -> None:
    before, shown = mask(page, program), kept(page, "inpaint_kept")
    page.wait_for_timeout(1500)  # the page stores what it shows a moment later
    page.reload()
    page.wait_for_function("uiLoaded && box('img2img_ready')?.value", timeout=WAIT_MS)
    page.wait_for_function("easel.canvases.img2maskimg.reference && easel.modes.now() === 'inpaint'", timeout=WAIT_MS)
    assert page.is_visible("#img2img_inpaint_tab")
    assert kept(page, "inpaint_kept") == shown
    assert (mask(page, program) == before).all()
    tool(page, "eraser")
    stroke(page, (80, 128), (90, 128))  # what came back can be drawn on
    assert mask(page, program)[128, 85] == 0
    assert mask(page, program)[128, 170] == 255


def test_a_picture_is_copied_to_another_mode_with_what_was_drawn(page: Any) -> None:
    page.click("[data-copy=sketch]")
    page.wait_for_function("easel.modes.now() === 'sketch' && easel.canvases.img2img_sketch.reference", timeout=WAIT_MS)
    assert kept(page, "sketch_kept") == kept(page, "inpaint_kept")


def test_outpainting_adds_to_the_sides_that_are_chosen(page: Any, program: str) -> None:
    page.click("#img2img_outpaint > button.label-wrap")
    for side in ("left", "up", "down"):
        page.uncheck(f"#img2img_outpaint_sides input[name={side}]")
    page.click("#img2img_outpaint_way input[value=tiles]")
    made = fetch(program, generate(page, "img2img", "#img2img_outpaint_go"))
    assert made.size == (SIDE + 64, SIDE)
    kept_part = np.asarray(made.convert("RGB"))[:, : SIDE - 64]
    assert (kept_part == np.asarray(source())[:, : SIDE - 64]).all()


def test_a_stroke_just_drawn_is_in_the_request(page: Any, program: str) -> None:
    page.click("[data-panel=img2img_inpaint_tab]")
    tool(page, "wipe")
    tool(page, "brush")
    stroke(page, (200, 60), (220, 60))
    generate(page, "img2img")  # at once, before the drawing was handed in by itself
    request = page.evaluate("ask(`api/v1/jobs/${watched.img2img.id}`).then((job) => job.request)")
    assert request["source"]["kind"] == "masked"
    reference = request["source"]["mask"]["image"].removeprefix("sha256:")
    painted = np.asarray(fetch(program, f"easel/inputs/{reference}"))
    assert painted[60, 210] == 255
    assert painted[128, 128] == 0


def test_hires_leads_from_the_page_to_the_size_it_tells(page: Any, program: str) -> None:
    page.click("#tab_button_txt2img")
    page.fill("#txt2img_prompt textarea", "red apple")
    page.fill("#txt2img_steps input[type=number]", "3")
    page.click("#txt2img_hr > button.label-wrap")
    page.wait_for_function("document.getElementById('txt2img_hr-visible-checkbox').checked", timeout=WAIT_MS)
    page.fill("#txt2img_hr_scale input[type=number]", "1.5")
    page.keyboard.press("Tab")
    page.wait_for_function(
        "document.getElementById('txtimg_hr_finalres').textContent.endsWith('384 \u00d7 384')", timeout=WAIT_MS
    )
    made = fetch(program, generate(page, "txt2img"))
    assert made.size == (384, 384)


def test_a_finished_picture_is_enlarged_and_carried_to_img2img(page: Any, program: str) -> None:
    page.uncheck("#txt2img_hr-visible-checkbox")
    page.wait_for_timeout(300)
    small = fetch(program, generate(page, "txt2img"))
    assert small.size == (SIDE, SIDE)
    page.evaluate("fillForm({values: {hr_upscaler: 'Lanczos', hr_strength: 0.2}}, 'txt2img')")
    page.wait_for_timeout(1000)
    large = fetch(program, generate(page, "txt2img", "#txt2img_upscale"))
    assert large.size == (384, 384)
    again = np.asarray(large.resize(small.size).convert("RGB")).astype(int)
    assert np.abs(again - np.asarray(small.convert("RGB"))).mean() < 40, "another picture"
    page.click("#txt2img_send_to_img2img")
    page.wait_for_function(
        "easel.modes.now() === 'img2img' && easel.canvases.img2img_image.size?.join() === '384,384'", timeout=WAIT_MS
    )
    assert page.is_visible("#tab_img2img")
    page.wait_for_function(
        "document.querySelector('#img2img_width input').value === '384'"
        " && document.querySelector('#img2img_prompt textarea').value === 'red apple'",
        timeout=WAIT_MS,
    )


def test_regions_and_edges_that_meet_are_drawn_and_asked_for(page: Any, program: str) -> None:
    page.click("#tab_button_txt2img")
    page.click("#txt2img_large > button.label-wrap")
    sheet = page.locator("#txt2img_regions .regions-sheet")
    sheet.scroll_into_view_if_needed()
    seen = sheet.bounding_box()
    page.mouse.move(seen["x"] + 3, seen["y"] + 3)
    page.mouse.down()
    page.mouse.move(seen["x"] + seen["width"] / 2, seen["y"] + seen["height"] + 50, steps=3)
    page.mouse.up()
    page.keyboard.type("a lemon")  # the new row waits for its words
    page.fill("#txt2img_regions li label:last-of-type input", "0.5")
    page.keyboard.press("Tab")
    page.click("#txt2img_regions .regions-add")  # without words it is not asked for
    page.click("#txt2img_tiling_fold > button.label-wrap")
    page.click("#txt2img_tiling input[value=x]")
    made = fetch(program, generate(page, "txt2img"))
    request = page.evaluate("ask(`api/v1/jobs/${watched.txt2img.id}`).then((job) => job.request)")
    assert request["model"]["tiling"] == "x"
    (region,) = request["shape"]["windows"]["regions"]
    assert (region["prompt"], region["weight"], region["bottom"]) == ("a lemon", 0.5, 1)
    assert abs(region["right"] - 0.5) < 0.05
    assert "Window regions" in made.info["parameters"]
    assert "Tiling: x" in made.info["parameters"]


def test_png_info_sends_a_picture_to_inpaint_where_a_part_is_painted_anew(page: Any, program: str) -> None:
    made = page.get_attribute("#txt2img_results_panel img.picture", "src")
    page.click("#tab_button_pnginfo")
    raw = httpx.get(program + made.lstrip("/"), timeout=60).content
    page.set_input_files(
        "#pnginfo_image input[type=file]", {"name": "apple.png", "mimeType": "image/png", "buffer": raw}
    )
    page.click("#tab_pnginfo #inpaint_tab:not([disabled])")
    page.wait_for_function("easel.modes.now() === 'inpaint' && easel.canvases.img2maskimg.size", timeout=WAIT_MS)
    page.wait_for_function("document.querySelector('#img2img_prompt textarea').value === 'red apple'", timeout=WAIT_MS)
    assert page.is_visible("#img2maskimg")
    tool(page, "brush")
    stroke(page, (100, 100), (150, 100))
    after = np.asarray(fetch(program, generate(page, "img2img")).convert("RGB"))
    before, painted = np.asarray(Image.open(io.BytesIO(raw)).convert("RGB")), mask(page, program)
    untouched = np.asarray(blur_mask(Image.fromarray(painted), 4, 4)) == 0
    assert (after[untouched] == before[untouched]).all()
    assert (after != before).any()
