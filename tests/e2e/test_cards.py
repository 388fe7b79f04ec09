"""The extra-networks browser in a real browser: found, put into prompts, described, given a picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from modules.gradio_ui.card_routes import card_html
from modules.gradio_ui.cards import Card
from tests.e2e.test_access import AXE, FINDINGS

pytestmark = pytest.mark.browser
PROMPT, NEGATIVE = "#txt2img_prompt textarea", "#txt2img_neg_prompt textarea"
MODULE = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
EVIL = "<img src=x onerror=window.hacked=1>"


def lora(path: Path, **metadata: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {f"{MODULE}.lora_down.weight": torch.zeros(2, 320), f"{MODULE}.lora_up.weight": torch.zeros(320, 2)}
    save_file(tensors, path, metadata=metadata)


@pytest.fixture(scope="module")
def folder(data: Path) -> Path:
    found = data / "models" / "Lora"
    tags = json.dumps({"1_fox": {"red fox": 3, EVIL: 2}})
    lora(found / "animals" / "fox.safetensors", ss_tag_frequency=tags, ss_v2="False")
    lora(found / "ink.safetensors", ss_base_model_version="sd_v1")
    (found / "ink.json").write_text(json.dumps({"description": EVIL, "sd version": "SDXL"}), "utf-8")
    (data / "models" / "embeddings").mkdir()
    save_file({"emb_params": torch.zeros(2, 768)}, data / "models" / "embeddings" / "badhand.safetensors")
    pair = {"clip_l": torch.zeros(2, 768), "clip_g": torch.zeros(2, 1280)}
    save_file(pair, data / "models" / "embeddings" / "xlsoft.safetensors")
    return found


@pytest.fixture
def cards(page: Any, folder: Path) -> Iterator[Any]:
    """txt2img with the LoRA cards open and empty prompts."""
    page.said.clear()
    page.request.get(f"{page.url}easel/cards?page=textual_inversion&refresh=1")  # the files came after the page
    page.click("#tab_button_txt2img")
    for one in (PROMPT, NEGATIVE):
        page.fill(one, "")
    page.click("#txt2img_extra_tabs [data-page=lora]")
    page.wait_for_selector("#txt2img_lora_cards .card:not([hidden])")
    yield page
    page.click("#txt2img_extra_tabs [data-page='']")
    assert page.is_visible("#txt2img_width")
    assert page.said == []
    assert page.evaluate("window.hacked") is None


def shown(page: Any, kind: str = "lora") -> list[str]:
    return page.locator(f"#txt2img_{kind}_cards .card:not([hidden]) .name").all_text_contents()


def card(page: Any, name: str, kind: str = "lora") -> Any:
    return page.locator(f'#txt2img_{kind}_cards .card[data-name="{name}"]')


def test_cards_are_searched_sorted_and_kept_to_the_models_family(cards: Any) -> None:
    assert not cards.is_visible("#txt2img_width")
    assert shown(cards) == ["fox"]
    cards.click("#txt2img_lora_pane .extra-network-control .chip")
    assert shown(cards) == ["fox", "ink"]
    cards.click("#txt2img_lora_extra_sort_dir")
    assert shown(cards) == ["ink", "fox"]
    cards.fill("#txt2img_lora_extra_search", "animals fo")
    assert shown(cards) == ["fox"]
    cards.fill("#txt2img_lora_extra_search", "zebra")
    assert shown(cards) == []
    assert cards.inner_text("#txt2img_lora_pane .cards-note") == "Nothing matches the search."
    cards.fill("#txt2img_lora_extra_search", "")
    cards.click("#txt2img_lora_dirs [data-folder=animals]")
    assert shown(cards) == ["fox"]
    cards.click("#txt2img_lora_dirs [data-folder='']")
    cards.click("#txt2img_lora_extra_sort_dir")
    cards.click("#txt2img_lora_pane .extra-network-control .chip")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(cards: Any, theme: str) -> None:
    cards.emulate_media(reduced_motion="reduce")
    cards.evaluate(AXE)
    cards.evaluate("(theme) => set_theme(theme)", theme)
    seen = [cards.evaluate(FINDINGS)]
    card(cards, "fox").hover()
    card(cards, "fox").locator("[data-card=details]").click()
    cards.wait_for_selector("dialog .card-form")
    seen.append(cards.evaluate(FINDINGS))
    cards.keyboard.press("Escape")
    cards.evaluate("set_theme('light')")
    assert seen == [[], []]


def test_a_press_puts_a_lora_into_the_prompt_and_takes_it_out(cards: Any) -> None:
    cards.fill(PROMPT, "a forest")
    main = card(cards, "fox").locator(".card-main")
    main.click()
    assert cards.input_value(PROMPT) == "a forest <lora:fox:1>"
    assert main.get_attribute("aria-pressed") == "true"
    cards.fill(PROMPT, "a <lora:fox:0.35>, forest")
    main.click()
    assert cards.input_value(PROMPT) == "a forest"
    assert main.get_attribute("aria-pressed") == "false"


def test_what_the_model_cannot_take_is_told_beside_the_prompt(cards: Any) -> None:
    advice = cards.locator("#txt2img_advice_prompt p")
    cards.fill(PROMPT, "a <lora:fux:1>")
    advice.filter(has_text="There is no network 'fux'. Did you mean fox?").wait_for()
    cards.fill(PROMPT, "a xlsoft <lora:fox:1>")
    advice.filter(has_text="The embedding xlsoft is left out. It is made for Stable Diffusion XL").wait_for()
    assert advice.count() == 1


def test_an_embedding_goes_to_the_prompt_that_was_used_last(cards: Any) -> None:
    cards.click("#txt2img_extra_tabs [data-page=textual_inversion]")
    main = card(cards, "badhand", "textual_inversion").locator(".card-main")
    cards.focus(NEGATIVE)
    main.click()
    assert (cards.input_value(PROMPT), cards.input_value(NEGATIVE)) == ("", "badhand")
    cards.focus(PROMPT)
    main.click()
    assert cards.input_value(PROMPT) == "badhand"


def test_a_checkpoint_is_chosen_by_its_card(cards: Any) -> None:
    titles = ("easel-mini [1a2b3c4d5e]", "landscapes.safetensors")  # the small engine's, which are not on the disk
    made = [
        Card(page="checkpoints", key=one, name=one, path=Path(one), insert=one, created=1, modified=1) for one in titles
    ]
    told = {"html": "".join(map(card_html, made)), "folders": [], "count": 2}
    cards.evaluate("(told) => { easel.cardLists.checkpoints = told; }", told)
    cards.click("#txt2img_extra_tabs [data-page=checkpoints]")
    for one in (titles[1], titles[0]):
        card(cards, one, "checkpoints").locator(".card-main").click()
        cards.wait_for_selector(f'#txt2img_checkpoints_cards .card.used[data-name="{one}"]')
        assert cards.input_value("#checkpoint_choice") == one
    cards.evaluate("() => { delete easel.cardLists.checkpoints; }")


def test_notes_and_trigger_words(cards: Any, folder: Path) -> None:
    card(cards, "fox").hover()
    card(cards, "fox").locator("[data-card=words]").click()
    cards.click("dialog .word-chips button:has-text('red fox')")
    assert cards.input_value(PROMPT) == "red fox"
    assert cards.locator("dialog .word-chips button").all_text_contents() == ["red fox", EVIL]
    cards.keyboard.press("Escape")
    card(cards, "fox").locator("[data-card=details]").click()
    form = cards.locator("dialog .card-form")
    form.locator("textarea").nth(0).fill(EVIL)
    form.locator("textarea").nth(1).fill("foxy")
    form.locator("input[type=number]").fill("0.8")
    cards.click("dialog .dialog-actions button:has-text('Save notes')")
    cards.wait_for_selector("dialog", state="detached")
    told = json.loads((folder / "animals" / "fox.json").read_text("utf-8"))
    assert (told["description"], told["activation text"], told["preferred weight"]) == (EVIL, "foxy", 0.8)
    assert card(cards, "fox").locator(".description").text_content() == EVIL
    cards.fill(PROMPT, "")
    card(cards, "fox").locator(".card-main").click()
    assert cards.input_value(PROMPT) == "<lora:fox:0.8> foxy"
    card(cards, "fox").locator(".card-main").click()
    assert cards.input_value(PROMPT) == ""


def test_the_current_picture_becomes_the_preview(cards: Any, folder: Path) -> None:
    cards.fill(PROMPT, "a fox")
    cards.click("#txt2img_generate")
    cards.wait_for_selector("#txt2img_results_panel img.picture")
    card(cards, "fox").hover()
    card(cards, "fox").locator("[data-card=details]").click()
    cards.click("dialog .dialog-actions button:has-text('current picture')")
    cards.wait_for_selector('#txt2img_lora_cards .card[data-name="fox"] img.preview')
    cards.keyboard.press("Escape")
    assert Image.open(folder / "animals" / "fox.preview.png").size == (512, 512)
    loaded = "document.querySelector('#txt2img_lora_cards .card[data-name=fox] img').naturalWidth"
    cards.wait_for_function(f"{loaded} > 0")


def test_new_files_are_found_by_refreshing_and_by_both_tabs(cards: Any, folder: Path) -> None:
    lora(folder / "new.safetensors")
    cards.click("#txt2img_lora_extra_refresh")
    cards.wait_for_selector('#txt2img_lora_cards .card[data-name="new"]')
    cards.click("#tab_button_img2img")
    cards.click("#img2img_extra_tabs [data-page=lora]")
    cards.click('#img2img_lora_cards .card[data-name="new"] .card-main')
    assert cards.input_value("#img2img_prompt textarea") == "<lora:new:1>"
    assert cards.input_value(PROMPT) == ""
    cards.click("#img2img_extra_tabs [data-page='']")
    cards.click("#tab_button_txt2img")


def test_a_vae_is_chosen_by_hand(page: Any) -> None:
    assert page.locator("#vae_choice option").all_text_contents() == [
        "Automatic",
        "The checkpoint's own",
        "soft.safetensors",
    ]
    with page.expect_response("**/easel/settings") as reply:
        page.select_option("#vae_choice", "soft.safetensors")
    assert reply.value.json()["values"] == {"sd_vae": "soft.safetensors"}
    page.reload()
    page.wait_for_function("uiLoaded && document.getElementById('vae_choice').value === 'soft.safetensors'")
    with page.expect_response("**/easel/settings"):
        page.select_option("#vae_choice", "Automatic")
