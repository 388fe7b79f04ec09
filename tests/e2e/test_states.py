"""The faces of the page: advice, failure, a lost connection, and what the keys, the gallery and the chips do."""

import base64
import io
import re
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

pytestmark = pytest.mark.browser
PROMPT, NEGATIVE = "#txt2img_prompt textarea", "#txt2img_neg_prompt textarea"


def number(page: Any, name: str) -> str:
    return page.input_value(f"#txt2img_{name} input[type=number]")


def set_number(page: Any, name: str, value: str) -> None:
    page.fill(f"#txt2img_{name} input[type=number]", value)
    page.keyboard.press("Tab")


def generate(page: Any, prompt: str, end: str = ".stage img.picture") -> None:
    """Press Generate and wait for the end of that very job."""
    before = page.evaluate("watched.txt2img?.id || ''")
    page.fill(PROMPT, prompt)
    page.wait_for_timeout(100)
    page.keyboard.press("Control+Enter")
    page.wait_for_function(
        "(old) => watched.txt2img && watched.txt2img.id !== old && !watched.txt2img.live", arg=before, timeout=30000
    )
    page.wait_for_selector(end)


def wait_value(page: Any, selector: str, value: str) -> None:
    page.wait_for_function(
        "([one, value]) => document.querySelector(one).value === value", arg=[selector, value], timeout=30000
    )


def test_sizes_follow_the_checkpoint_unless_they_were_changed(page: Any) -> None:
    set_number(page, "width", "512")
    set_number(page, "height", "640")
    page.select_option("#checkpoint_choice", "landscapes.safetensors")
    wait_value(page, "#txt2img_width input", "1024")
    assert number(page, "height") == "640"
    page.reload()
    page.wait_for_function("uiLoaded && document.querySelector('#txt2img_ready textarea')?.value", timeout=30000)
    assert (number(page, "width"), number(page, "height")) == ("1024", "640")
    page.select_option("#checkpoint_choice", "easel-mini [1a2b3c4d5e]")
    wait_value(page, "#txt2img_width input", "512")
    set_number(page, "height", "512")


def test_what_will_not_work_is_told_beside_its_control_and_mended_by_a_click(page: Any) -> None:
    assert page.locator("#tab_txt2img .advice p:not(.told)").count() == 0
    page.click("#txt2img_large > button.label-wrap")
    page.click("#txt2img_method input[value=direct]")
    set_number(page, "width", "1536")
    page.wait_for_selector("#txt2img_advice_size p")
    assert "512 × 512" in page.inner_text("#txt2img_advice_size")
    page.click("#txt2img_advice_size button")
    page.wait_for_function("!document.querySelector('#tab_txt2img .advice p')", timeout=30000)
    assert int(number(page, "width")) < 1024
    set_number(page, "width", "512")
    set_number(page, "height", "512")
    page.click("#txt2img_method input[value=auto]")


def test_a_failure_says_why_and_its_details_can_be_copied(page: Any) -> None:
    generate(page, "fail", ".note.failed")
    assert "The decoded picture was not a number." in page.inner_text(".note.failed")
    page.click(".note.failed .dialog-actions button >> nth=0")
    page.wait_for_function("document.querySelector('.note.failed button').textContent === t('stage.copied')")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.splitlines() == ["The decoded picture was not a number.", "Try fp32.", "stage: decode"]


def test_a_number_that_is_cut_to_its_range_is_told(page: Any) -> None:
    set_number(page, "steps", "500")
    page.wait_for_selector("#txt2img_steps .cut")
    assert "500 is out of range: 1 to 150. 150 is used." in page.inner_text("#txt2img_steps")
    set_number(page, "steps", "20")
    assert page.locator("#txt2img_steps .cut").count() == 0


def test_an_error_stays_until_the_next_press(page: Any) -> None:
    set_number(page, "width", "100")
    page.click("#txt2img_generate")
    page.wait_for_selector("#html_log_txt2img.wrong")
    page.wait_for_timeout(5000)
    assert "multiples of 8" in page.inner_text("#html_log_txt2img")
    set_number(page, "width", "512")
    generate(page, "a quince")
    assert page.inner_text("#html_log_txt2img") == ""
    assert page.locator(".field-wrong, .easel-toast.wrong").count() == 0


def test_a_lost_connection_has_a_banner_until_it_is_back(page: Any) -> None:
    page.route("**/easel/**", lambda route: route.abort())
    page.wait_for_selector("#lost", timeout=30000)
    page.unroute("**/easel/**")
    page.wait_for_selector("#lost", state="detached", timeout=30000)
    page.said.clear()  # the browser tells of each request that was cut off


def test_the_title_tells_how_far_a_job_is(page: Any) -> None:
    set_number(page, "steps", "80")  # long enough to be looked at on a busy machine
    page.wait_for_timeout(300)
    page.fill(PROMPT, "a harbour")
    page.keyboard.press("Control+Enter")
    page.wait_for_function("/^[1-9]\\d?%.* - Easel$/.test(document.title)", timeout=10000)
    page.wait_for_function("document.title === 'Easel'", timeout=20000)
    set_number(page, "steps", "20")


def test_keys_walk_through_the_gallery_and_save(page: Any) -> None:
    set_number(page, "batch_count", "2")
    set_number(page, "steps", "2")
    page.wait_for_timeout(200)
    generate(page, "two boats")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("selected_gallery_index()") == 1
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("selected_gallery_index()") == 0
    page.keyboard.press("s")
    page.wait_for_function("document.getElementById('html_log_txt2img').textContent.includes('.png')")
    page.focus(PROMPT)
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("s")
    assert page.input_value(PROMPT) == "two boatss"
    assert page.evaluate("selected_gallery_index()") == 0
    set_number(page, "batch_count", "1")


def test_a_chip_gives_back_its_value_alone_and_a_seed_is_reused(page: Any) -> None:
    page.click("#txt2img_reuse_seed")
    seed = number(page, "seed")
    assert seed == re.search(r"Seed: (\d+)", page.evaluate("easel.lastInfotext()"))[1]  # type: ignore[index]
    page.click("#txt2img_random_seed")
    assert number(page, "seed") == "-1"
    set_number(page, "steps", "9")
    page.fill(PROMPT, "something else")
    page.locator("#html_info_txt2img .paper-chip", has_text="Steps").click()
    wait_value(page, "#txt2img_steps input", "2")
    assert page.input_value(PROMPT) == "something else"
    assert page.locator("#html_info_txt2img .paper-chip", has_text="Size").count() == 1
    set_number(page, "steps", "20")


def test_clearing_asks_once_and_can_be_undone(page: Any) -> None:
    page.fill(PROMPT, "a long thought")
    page.fill(NEGATIVE, "haste")
    page.click("#txt2img_clear_prompt")
    page.click("dialog .danger")
    assert page.input_value(PROMPT) == page.input_value(NEGATIVE) == ""
    page.click(".easel-toast button")
    assert (page.input_value(PROMPT), page.input_value(NEGATIVE)) == ("a long thought", "haste")
    page.fill(NEGATIVE, "")


def test_a_picture_dropped_on_the_prompt_fills_the_form(page: Any) -> None:
    paper = PngImagePlugin.PngInfo()
    paper.add_text("parameters", "a mill\nSteps: 11, Sampler: Euler, CFG scale: 7, Seed: 3, Size: 512x512")
    raw = io.BytesIO()
    Image.new("RGB", (8, 8)).save(raw, "PNG", pnginfo=paper)
    page.evaluate(
        """(data) => {
            const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0)), transfer = new DataTransfer();
            transfer.items.add(new File([bytes], "mill.png", {type: "image/png"}));
            const target = document.querySelector("#txt2img_prompt textarea");
            target.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
        }""",
        base64.b64encode(raw.getvalue()).decode(),
    )
    wait_value(page, PROMPT, "a mill")
    wait_value(page, "#txt2img_steps input", "11")
    assert number(page, "seed") == "3"


def test_simple_leaves_prompt_shape_quality_and_generate(page: Any) -> None:
    page.click("#mode_switch")
    hidden = ("neg_prompt", "sampling", "steps", "seed", "width", "styles", "accordions")
    assert [name for name in hidden if page.is_visible(f"#txt2img_{name}")] == []
    page.click("[data-quality=draft]")
    assert number(page, "steps") == "12"
    page.click("[data-ratio='3:2']")
    assert (number(page, "width"), number(page, "height")) == ("640", "448")
    page.click("#mode_switch")
    assert page.is_visible("#txt2img_seed")
    page.click("[data-ratio='1:1']")


def test_a_key_can_be_changed_and_is_shared_by_no_two_actions(page: Any) -> None:
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    assert page.locator("dialog .keys dt").count() == page.evaluate("Object.keys(easel.keys).length")
    page.click("dialog .dialog-actions button")
    page.focus("#setting_key_help_input")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#setting_key_help_row .said.bad")
    page.keyboard.press("Control+Shift+h")
    page.wait_for_selector("#setting_key_help_row .said.good")
    page.click("#tab_button_txt2img")
    page.keyboard.press("Control+Shift+h")
    page.wait_for_selector("dialog .keys")
    page.keyboard.press("Escape")
    page.evaluate("ask('easel/settings', {changes: {key_help: '?'}})")


def test_tabs_are_found_from_the_settings(page: Any) -> None:
    page.keyboard.press("Control+k")
    page.fill("#settings_search", "queue")
    page.keyboard.press("Enter")
    assert page.is_visible("#queue_list")
    page.click("#tab_button_txt2img")


def test_a_right_click_on_generate_offers_to_go_on_forever(page: Any) -> None:
    page.click("#txt2img_generate", button="right")
    assert page.locator(".context-menu button").count() == 2
    page.evaluate(
        "() => { window.kept = easel.actions.interrupt; easel.actions.interrupt = () => { window.presses++; }; }"
    )
    page.evaluate("() => { window.presses = 0; }")
    page.keyboard.press("Escape")
    assert page.locator(".context-menu").count() == 0
    assert page.evaluate("presses") == 0, "the press that closed the menu interrupted the job too"
    page.keyboard.press("Escape")
    assert page.evaluate("presses") == 1
    page.evaluate("() => { easel.actions.interrupt = window.kept; }")


@pytest.mark.parametrize(("prompt", "width"), [("fail", "512"), ("a quince", "100")])
def test_forever_ends_with_a_job_that_fails_or_is_refused(page: Any, prompt: str, width: str) -> None:
    before = number(page, "width")
    page.fill(PROMPT, prompt)
    set_number(page, "width", width)
    page.evaluate("generateForever()")
    assert page.evaluate("easel.forever") != 0
    page.wait_for_function("easel.forever === 0", timeout=15000)
    set_number(page, "width", before)


def test_a_lost_answer_is_not_the_end_of_a_job(page: Any) -> None:
    state, seen = page.evaluate(
        """() => new Promise((end) => {
            const real = ask, seen = [];
            let asked = 0;
            real("easel/jobs").then((jobs) => {
                const path = `easel/jobs/${jobs[0].id}`;
                const lost = (one) => one === path && !asked++;
                window.ask = (one, body) => (lost(one) ? Promise.reject(new Error("lost")) : real(one, body));
                const atEnd = () => { window.ask = real; end([jobs[0].state, seen]); };
                requestProgress(jobs[0].id, null, null, atEnd, (one) => seen.push(one));
            });
        })"""
    )
    assert [one["textinfo"] for one in seen] == [state], "told of a look that was not answered"


GLOBALS = """gradioApp get_uiCurrentTab get_uiCurrentTabContent onUiUpdate onAfterUiUpdate onUiLoaded onUiTabChange
    onOptionsChanged onOptionsAvailable executeCallbacks uiElementIsVisible uiElementInSight uiUpdateCallbacks
    uiLoadedCallbacks uiTabChangeCallbacks optionsChangedCallbacks opts updateInput onEdit set_theme all_gallery_buttons
    selected_gallery_button selected_gallery_index extract_image_from_gallery switch_to_txt2img get_tab_index
    create_tab_index_args create_submit_args submit restart_reload selectCheckpoint switchWidthHeight setRandomSeed
    clear_prompt request requestGet requestProgress randomId formatTime pad2 setTitle popup popupId closePopup
    activePromptTextarea localization getTranslation ignore_ids_for_localization re_num re_emoji inputAccordionChecked
    appendContextMenuOption removeContextMenuOption recalculate_prompts_txt2img"""


def test_scripts_of_others_find_their_globals(page: Any) -> None:
    missing = "(names) => names.filter((name) => window[name] === undefined)"
    assert page.evaluate(missing, GLOBALS.split()) == []
    assert page.evaluate("getTranslation('Generate')") == "Generate"
    assert page.evaluate("get_tab_index('tabs')") == 0
    page.evaluate("inputAccordionChecked('txt2img_refiner', true)")
    page.wait_for_selector("#txt2img_refiner_switch_at input", state="visible")
    page.evaluate("inputAccordionChecked('txt2img_refiner', false)")
    done = page.evaluate(
        """() => new Promise((end) => {
            const seen = [];
            const atEnd = () => end(seen), onProgress = (one) => seen.push(one);
            ask("easel/jobs").then((jobs) => requestProgress(jobs[0].id, null, null, atEnd, onProgress));
        })"""
    )
    assert done[-1]["completed"]


def test_the_console_stayed_clean(page: Any) -> None:
    assert [one for one in page.said if "422" not in one] == []
