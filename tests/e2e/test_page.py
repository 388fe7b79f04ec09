"""The page in a real Chromium: what a person does in the first minutes."""

import io
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

pytestmark = pytest.mark.browser
PAPER = "a blue door\nNegative prompt: fog\nSteps: 9, Sampler: Euler a, CFG scale: 5, Seed: 77, Size: 640x512"


def ready(page: Any) -> None:
    page.wait_for_function("uiLoaded && document.querySelector('#txt2img_ready textarea')?.value", timeout=30000)
    page.click("#tab_button_txt2img")


def number(page: Any, id: str) -> str:
    return page.input_value(f"#{id} input[type=number]")


def test_a_prompt_becomes_a_preview_then_a_picture_and_is_found_after_a_reload(page: Any) -> None:
    page.fill("#txt2img_prompt textarea", "a red apple")
    page.fill("#txt2img_width input", "256")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".stage img.preview", timeout=30000)
    page.wait_for_selector(".stage img.picture", timeout=30000)
    shown = page.get_attribute(".stage img.picture", "src")
    page.wait_for_timeout(800)
    page.reload()
    ready(page)
    page.wait_for_selector(".stage img.picture", timeout=30000)
    assert page.get_attribute(".stage img.picture", "src") == shown
    assert page.input_value("#txt2img_prompt textarea") == "a red apple"
    assert number(page, "txt2img_width") == "256"


def test_a_running_job_is_found_again_and_can_be_interrupted(page: Any) -> None:
    page.fill("#txt2img_batch_count input", "90")  # more than a slow reload outlasts
    page.wait_for_timeout(300)
    page.click("#txt2img_generate")
    page.wait_for_selector(".stage img.preview", timeout=30000)
    page.reload()
    ready(page)
    page.wait_for_selector(".stage img.preview", timeout=30000)
    page.click("#txt2img_interrupt")
    page.wait_for_function("!easel.busy", timeout=30000)
    assert "interrupted" in page.inner_text(".progress-text")
    page.fill("#txt2img_batch_count input", "1")


def test_a_double_click_makes_one_job(page: Any) -> None:
    count = "fetch('easel/jobs').then((r) => r.json()).then((all) => all.length)"
    before = page.evaluate(count)
    page.dblclick("#txt2img_generate")
    page.wait_for_timeout(1500)
    assert page.evaluate(count) - before == 1


def test_weights_follow_the_keys(page: Any) -> None:
    page.fill("#txt2img_prompt textarea", "red apple")
    page.focus("#txt2img_prompt textarea")
    page.keyboard.press("End")
    page.keyboard.press("Control+ArrowUp")
    assert page.input_value("#txt2img_prompt textarea") == "red (apple:1.1)"
    page.keyboard.press("Control+ArrowDown")
    assert page.input_value("#txt2img_prompt textarea") == "red apple"


def test_an_infotext_in_the_prompt_box_fills_the_form(page: Any) -> None:
    page.fill("#txt2img_prompt textarea", PAPER)
    page.click("#paste")
    page.wait_for_function("document.querySelector('#txt2img_prompt textarea').value === 'a blue door'", timeout=30000)
    assert page.input_value("#txt2img_neg_prompt textarea") == "fog"
    assert (number(page, "txt2img_seed"), number(page, "txt2img_width")) == ("77", "640")


def test_png_info_reads_a_picture_and_sends_it_on(page: Any) -> None:
    paper = PngImagePlugin.PngInfo()
    paper.add_text("parameters", PAPER.replace("a blue door", "a <b>green</b> gate"))
    raw = io.BytesIO()
    Image.new("RGB", (16, 16)).save(raw, "PNG", pnginfo=paper)
    page.click("#tab_button_pnginfo")
    page.set_input_files(
        "#pnginfo_image input", {"name": "gate.png", "mimeType": "image/png", "buffer": raw.getvalue()}
    )
    page.wait_for_selector("#pnginfo_generation_info pre")
    assert "a <b>green</b> gate" in page.inner_text("#pnginfo_generation_info")
    assert page.query_selector("#pnginfo_generation_info b, #pnginfo_chips span b") is None
    page.click("#tab_pnginfo #txt2img_tab")
    page.wait_for_function(
        "document.querySelector('#txt2img_prompt textarea').value === 'a <b>green</b> gate'", timeout=30000
    )


def test_settings_are_found_by_typing_and_stored_at_once(page: Any) -> None:
    page.keyboard.press("Control+k")
    page.fill("#settings_search", "refresh progress")
    shown = page.locator("#settings_list .setting:not([hidden])")
    assert shown.count() == 1
    page.fill("#setting_live_preview_refresh_period_input", "5")
    page.keyboard.press("Tab")
    page.wait_for_selector("#setting_live_preview_refresh_period_row .said.bad")
    page.fill("#setting_live_preview_refresh_period_input", "250")
    page.keyboard.press("Tab")
    page.wait_for_selector("#setting_live_preview_refresh_period_row .said.good")
    page.fill("#settings_search", "")


def test_language_and_theme_change_and_stay(page: Any) -> None:
    page.click("#language_switch")
    page.click("#tab_button_txt2img")
    assert page.inner_text("#txt2img_generate") == "生成"
    page.click("#theme_switch")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 21, 20)"
    page.wait_for_timeout(400)
    page.reload()
    ready(page)
    assert page.inner_text("#txt2img_generate") == "生成"
    assert page.evaluate("document.body.classList.contains('dark')")
    page.click("#language_switch")
    page.click("#theme_switch")


def test_every_control_has_a_name(page: Any) -> None:
    nameless = page.evaluate(
        """() => Array.from(document.querySelectorAll("button, input, select, textarea"))
            .filter((one) => uiElementIsVisible(one) && !one.getAttribute("aria-label") && !one.title
                && !one.textContent.trim() && !one.labels?.length)
            .map((one) => one.outerHTML.slice(0, 120))"""
    )
    assert nameless == []


def test_nothing_scrolls_sideways_on_a_phone(page: Any) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    for tab in ("img2img", "pnginfo", "queue", "settings", "txt2img"):
        page.click(f"#tab_button_{tab}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 400, tab
    bottom = page.locator("#txt2img_generate").bounding_box()
    assert bottom is not None
    assert 700 < bottom["y"] + bottom["height"] <= 800
    page.set_viewport_size({"width": 1440, "height": 900})


def test_the_console_stayed_clean(page: Any) -> None:
    assert [one for one in page.said if "422" not in one] == []
