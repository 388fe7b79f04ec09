"""img2img's form: each mode names its picture and mask, and drawn colours come into the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import UserError
from modules.gradio_ui.img2img_request import img2img_request, painted_over, requests_of
from modules.imaging.inputs import PictureStore
from modules.processing.requests import InitImage, MaskedImage


@pytest.fixture
def store(tmp_path: Path) -> PictureStore:
    return PictureStore(tmp_path)


def picture(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 60, 3), np.uint8))


def stroke(colour: tuple[int, int, int] = (255, 0, 0)) -> Image.Image:
    made = Image.new("RGBA", (60, 40))
    made.paste((*colour, 255), (10, 10, 30, 20))
    return made


def only(values: dict[str, Any], store: PictureStore) -> Any:
    (found,) = requests_of(values, img2img_request(values, store), store)
    return found.source


def test_img2img_starts_from_its_picture(store: PictureStore) -> None:
    reference = store.put(picture())
    values = {"mode": "img2img", "image": reference, "strength": 0.4, "resize": "crop", "image_cfg_scale": 1.2}
    expected = InitImage(images=(reference,), strength=0.4, resize="crop", image_cfg_scale=1.2)
    assert only(values, store) == expected


def test_inpainting_takes_all_its_controls(store: PictureStore) -> None:
    base, drawn = store.put(picture()), store.put(stroke())
    values = {"mode": "inpaint", "inpaint": base, "inpaint_drawn": drawn, "mask_blur": 6, "mask_blur_y": 2}
    values |= {"mask_mode": "not masked", "fill": "fill", "area": "only masked", "padding": 12, "soft": True}
    source = only({**values, "soft_schedule_bias": 2.0}, store)
    assert isinstance(source, MaskedImage)
    assert source.init.images == (base,)
    assert (np.asarray(store.open(source.mask.image)) == np.where(np.asarray(stroke())[..., 3] > 0, 255, 0)).all()
    assert (source.mask.blur_x, source.mask.blur_y, source.mask.invert, source.mask.round) == (6, 2, True, False)
    assert (source.fill, source.padding) == ("fill", 12)
    assert source.soft is not None
    assert (source.soft.schedule_bias, source.soft.preservation_strength) == (2.0, 0.5)


def test_a_mask_drawn_everywhere_is_white(store: PictureStore) -> None:
    full = store.put(Image.new("RGBA", (60, 40), (47, 123, 255, 255)))
    source = only({"mode": "inpaint", "inpaint": store.put(picture()), "inpaint_drawn": full}, store)
    assert store.open(source.mask.image).getextrema() == (255, 255)


def test_a_blur_downwards_of_minus_one_is_that_across(store: PictureStore) -> None:
    values = {"mode": "inpaint", "inpaint": store.put(picture()), "inpaint_drawn": store.put(stroke()), "mask_blur": 9}
    assert only(values, store).mask.blur_y == 9


def test_an_uploaded_mask_is_taken_as_it_is(store: PictureStore) -> None:
    base, mask = store.put(picture()), store.put(stroke().getchannel("A"))
    source = only({"mode": "upload", "upload": base, "upload_mask": mask}, store)
    assert (source.init.images, source.mask.image) == ((base,), mask)


def test_a_sketch_has_the_drawn_colours_and_is_else_untouched(store: PictureStore) -> None:
    base = picture()
    values = {"mode": "sketch", "sketch": store.put(base), "sketch_drawn": store.put(stroke())}
    made = np.asarray(store.open(only(values, store).images[0]).convert("RGB"))
    drawn = np.asarray(stroke())[..., 3] > 0
    assert (made[drawn] == (255, 0, 0)).all()
    assert (made[~drawn] == np.asarray(base)[~drawn]).all()


def test_an_inpaint_sketch_masks_what_was_drawn(store: PictureStore) -> None:
    base = picture()
    values = {"mode": "inpaint_sketch", "inpaint_sketch": store.put(base), "inpaint_sketch_drawn": store.put(stroke())}
    source = only({**values, "mask_blur": 0}, store)
    mask = np.asarray(store.open(source.mask.image))
    assert (mask == np.where(np.asarray(stroke())[..., 3] > 0, 255, 0)).all()
    made = np.asarray(store.open(source.init.images[0]))
    assert (made[mask == 255] == (255, 0, 0)).all()
    assert (made[mask == 0] == np.asarray(base)[mask == 0]).all()


def test_transparency_lets_the_picture_through() -> None:
    base = Image.new("RGB", (60, 40), (0, 0, 200))
    made, mask = painted_over(base, stroke(), transparency=0.5, blur=(0, 0))
    assert mask.getextrema() == (0, 128)
    assert made.getpixel((15, 15)) == (128, 0, 100)


@pytest.mark.parametrize(
    ("values", "field"),
    [({"mode": "img2img"}, "image"), ({"mode": "batch2"}, "image"), ({"mode": "upload"}, "image")],
)
def test_a_missing_picture_is_told(values: dict[str, Any], field: str, store: PictureStore) -> None:
    with pytest.raises(UserError) as told:
        only(values, store)
    assert told.value.field == field


@pytest.mark.parametrize("mode", ["inpaint", "inpaint_sketch", "upload"])
def test_a_missing_mask_is_told(mode: str, store: PictureStore) -> None:
    with pytest.raises(UserError) as told:
        only({"mode": mode, mode: store.put(picture())}, store)
    assert told.value.field == "mask"


def test_resizing_by_a_scale_follows_the_picture(store: PictureStore) -> None:
    values = {"image": store.put(picture()), "resize_by": "by", "scale": 1.55, "width": 512, "height": 512}
    shape = img2img_request(values, store).shape
    assert (shape.width, shape.height) == (93, 62)
