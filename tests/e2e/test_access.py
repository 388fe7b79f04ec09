"""The page for everybody: nothing serious by axe, every control by Tab with a visible focus, motion that can rest."""

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser
AXE = (Path(__file__).parent / "axe-core" / "axe.min.js").read_text("utf-8")
TABS = ("txt2img", "img2img", "pnginfo", "queue", "settings")
FINDINGS = """() => axe.run(document, {resultTypes: ["violations"]}).then((found) => found.violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => [one.id, one.nodes.map((node) => node.target.join(" "))]))"""
REACHABLE = """(tab) => {
    const inside = document.querySelectorAll(`#quicksettings *, .tab-nav *, #tab_${tab} *`);
    const wanted = Array.from(inside).filter((one) => one.matches("button, input, select, textarea, a[href], summary")
        && !one.disabled && one.tabIndex >= 0 && one.checkVisibility({checkVisibilityCSS: true}));
    wanted.forEach((one, index) => { one.dataset.reach = index; });
    document.activeElement.blur();
    return wanted.map((one) => one.outerHTML.slice(0, 100));
}"""
FOCUSED = """() => {
    const at = document.activeElement, rings = [at, at.closest(".wrap"), at.closest(".drop")].filter(Boolean);
    const seen = rings.some((one) => getComputedStyle(one).outlineStyle !== "none"
        && parseFloat(getComputedStyle(one).outlineWidth) >= 2);
    return [at.dataset.reach ?? null, seen, at.outerHTML.slice(0, 100)];
}"""


def show(page: Any, tab: str) -> None:
    page.click(f"#tab_button_{tab}")
    if tab == "settings":
        page.wait_for_selector("#settings_list .setting")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("tab", TABS)
def test_axe_finds_nothing_serious(page: Any, tab: str, theme: str) -> None:
    page.emulate_media(reduced_motion="reduce")  # colours are those of the theme at once, not on their way there
    page.evaluate(AXE)
    page.evaluate("(theme) => set_theme(theme)", theme)
    show(page, tab)
    found = page.evaluate(FINDINGS)
    page.emulate_media(reduced_motion="no-preference")
    assert found == []


def test_modes_of_img2img_are_tabs_that_arrows_walk_through(page: Any) -> None:
    show(page, "img2img")
    bar = "#mode_img2img [role=tablist]"
    page.click(f"{bar} [data-value=img2img]")
    now = f"document.querySelector('{bar} [aria-selected=true]')"
    for key, mode in (("ArrowRight", "sketch"), ("ArrowLeft", "img2img"), ("ArrowLeft", "batch"), ("Home", "img2img")):
        page.keyboard.press(key)
        assert page.evaluate(f"{now}.dataset.value") == mode
        assert page.evaluate(f"{now} === document.activeElement")
        assert page.evaluate(f"document.getElementById({now}.getAttribute('aria-controls')).role") == "tabpanel"
        assert page.is_visible(f"#{page.evaluate(f'{now}.dataset.panel')}")


def test_axe_finds_a_nameless_control_when_there_is_one(page: Any) -> None:
    page.evaluate(AXE)
    page.evaluate("document.body.append(make('input', {id: 'nameless'}))")
    try:
        assert ["label", ["#nameless"]] in page.evaluate(FINDINGS)
    finally:
        page.evaluate("document.getElementById('nameless').remove()")


@pytest.mark.parametrize("tab", TABS)
def test_every_control_is_reached_by_tab_and_shows_it(page: Any, tab: str) -> None:
    show(page, tab)
    page.emulate_media(reduced_motion="reduce")  # rings are there at once
    names = page.evaluate(REACHABLE, tab)
    reached, unseen = [], []
    for _ in range(len(names) + 20):
        page.keyboard.press("Tab")
        mark, seen, what = page.evaluate(FOCUSED)
        if mark is None:
            continue
        if int(mark) in reached:
            break
        reached.append(int(mark))
        if not seen:
            unseen.append(what)
    assert [names[index] for index in range(len(names)) if index not in reached] == []
    first = reached.index(0)
    assert reached[first:] + reached[:first] == sorted(reached)  # in reading order, from wherever the focus was
    assert unseen == []


def test_motion_rests_when_asked_to(page: Any) -> None:
    moving = """() => Array.from(document.querySelectorAll("*")).filter((one) => {
        const style = getComputedStyle(one);
        const moves = style.transitionDuration.split(", ").some((each) => parseFloat(each) > 0.001);
        return moves || style.animationName !== "none";
    }).length"""
    page.click("#tab_button_txt2img")
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(moving) > 0
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(moving) == 0
    page.emulate_media(reduced_motion="no-preference")
