"""Pictures kept by content for the queue."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import NotFoundError, UserError
from modules.imaging.inputs import PictureStore
from modules.imaging.metadata import Papers, exif_bytes, read_metadata


def picture(seed: int, mode: str = "RGB") -> Image.Image:
    channels = {"RGB": 3, "RGBA": 4}[mode]
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (24, 16, channels), np.uint8), mode)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_picture_comes_back_bit_for_bit(tmp_path: Path, mode: str) -> None:
    store = PictureStore(tmp_path / "inputs")
    back = store.open(store.put(picture(1, mode)))
    assert back.mode == mode
    assert np.array_equal(np.asarray(back), np.asarray(picture(1, mode)))


def test_the_same_picture_is_kept_once(tmp_path: Path) -> None:
    store = PictureStore(tmp_path)
    assert store.put(picture(1)) == store.put(picture(1)) != store.put(picture(2))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_turned_photograph_stands_upright(tmp_path: Path) -> None:
    turned = picture(3)
    turned.getexif()[0x0112] = 6  # shown by turning it clockwise
    path = tmp_path / "turned.jpg"
    turned.save(path, exif=turned.getexif())
    store = PictureStore(tmp_path / "inputs")
    assert store.open(store.put(Image.open(path))).size == (24, 16)


@pytest.mark.parametrize("reference", ["", "sha256:", "../../etc/passwd", "sha256:../x", "sha256:" + "g" * 64])
def test_what_is_no_reference_opens_no_file(tmp_path: Path, reference: str) -> None:
    with pytest.raises(UserError, match="no reference"):
        PictureStore(tmp_path).open(reference)


def test_a_deleted_picture_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="gone"):
        PictureStore(tmp_path).open("sha256:" + "0" * 64)


def test_the_longest_unused_go_first_and_waiting_ones_never(tmp_path: Path) -> None:
    store = PictureStore(tmp_path)
    references = [store.put(picture(seed)) for seed in range(4)]
    for age, reference in enumerate(references):
        os.utime(store.path(reference), (1000 + age, 1000 + age))
    size = store.path(references[0]).stat().st_size
    store.prune(int(2.5 * size), keep=frozenset(references[:1]))
    left = {f"sha256:{path.stem}" for path in tmp_path.iterdir()}
    assert left == {references[0], references[2], references[3]}


def test_what_a_picture_says_is_kept_with_it(tmp_path: Path) -> None:
    store, raw = PictureStore(tmp_path), io.BytesIO()
    Image.new("RGB", (8, 8)).save(raw, "JPEG", exif=exif_bytes(Papers("a cat\nSteps: 1", '{"x": 1}')) or b"")
    reference = store.put(Image.open(io.BytesIO(raw.getvalue())))
    infotext, texts = read_metadata(store.open(reference))
    assert infotext == "a cat\nSteps: 1"
    assert texts == {"parameters": infotext, "easel": '{"x": 1}', "Software": "Easel"}
    assert store.put(store.open(reference)) == reference
