"""A canvas and a pile of pictures whose uploads take long: nothing is mixed up, nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from modules.imaging.metadata import Papers
from modules.imaging.saving import encode_image

pytestmark = pytest.mark.browser
BOX = "easel.canvases.img2maskimg"
PICTURE = encode_image(Image.new("RGB", (8, 8)), "png", Papers())
DRAWN = "box('img2img_inpaint_drawn').value"


UPLOAD = """async (colour) => {
    const made = make("canvas", {width: 64, height: 64}), pen = made.getContext("2d");
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 64, 64);
    return (await keepAtOnce({file: new File([await blobOf(made)], `${colour}.png`)})).reference;
}"""


@pytest.fixture
def canvas(page: Any) -> Iterator[Any]:
    """The page with a red picture to inpaint; `hold()` keeps back the answers to uploads until `letGo()`."""
    page.evaluate("""() => {
        window.keepAtOnce ??= keepPicture;
        let gate = null;
        window.hold = () => { gate = new Promise((done) => { window.letGo = done; }); };
        keepPicture = async (what) => { const waits = gate, kept = await keepAtOnce(what); await waits; return kept; };
    }""")
    page.click("#tab_button_img2img")
    page.click("[data-panel=img2img_inpaint_tab]")
    red = page.evaluate(UPLOAD, "red")
    page.evaluate(f"(red) => {BOX}.put(red)", red)
    yield page
    page.evaluate(f"{BOX}.reference && {BOX}.remove()")


@pytest.mark.parametrize("colour", ["blue", "red"])
def test_a_mask_that_arrives_late_is_not_laid_on_another_picture(canvas: Any, colour: str) -> None:
    other = canvas.evaluate(UPLOAD, colour)
    drawn = canvas.evaluate(
        f"""async (other) => {{
            hold();
            {BOX}.change(() => {BOX}.fill());
            const settled = {BOX}.settle();
            await {BOX}.put(other);
            letGo();
            await settled;
            return {DRAWN};
        }}""",
        other,
    )
    assert canvas.evaluate(f"{BOX}.reference") == other
    assert drawn == ""


def test_pictures_dropped_while_others_are_read_are_all_kept(canvas: Any) -> None:
    canvas.click("[data-panel=img2img_batch_tab]")
    canvas.evaluate("hold()")
    for name in ("one.png", "two.png"):
        canvas.set_input_files(
            "#img2img_batch_upload input", {"name": name, "mimeType": "image/png", "buffer": PICTURE}
        )
    canvas.evaluate("letGo()")
    canvas.wait_for_timeout(1000)
    listed = json.loads(canvas.evaluate("box('img2img_batch_upload_kept').value"))
    assert sorted(one["name"] for one in listed) == ["one.png", "two.png"]


def test_undoing_a_removal_brings_back_the_last_stroke(canvas: Any) -> None:
    canvas.evaluate(f"hold(); {BOX}.change(() => {BOX}.fill())")
    canvas.click("#img2maskimg [data-tool=remove]")
    canvas.evaluate("letGo()")
    canvas.wait_for_function(f"!{BOX}.reference && !{DRAWN}")
    assert canvas.locator(".easel-toast").count() == 1
    canvas.click(".easel-toast button")
    canvas.wait_for_function(f"{BOX}.reference && {DRAWN}")
    assert canvas.evaluate(f"{BOX}.copyHasInk()")
