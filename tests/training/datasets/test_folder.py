from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import UserError
from modules.training.config import Data
from modules.training.datasets.folder import PictureFolder
from modules.training.randomness import numpy_generator

SHAPES = {"wide_barn-01": (200, 100), "tall tower": (90, 190), "square": (128, 128), "huge sea": (600, 590)}


def ramp(size: tuple[int, int]) -> Image.Image:
    """Red grows to the right, green downwards: where a cut was taken can be read from its colours."""
    width, height = size
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = np.linspace(0, 255, width)[None, :]
    picture[..., 1] = np.linspace(0, 255, height)[:, None]
    return Image.fromarray(picture)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "more").mkdir()
    for index, (name, size) in enumerate(SHAPES.items()):
        ramp(size).save((tmp_path / "more" if index % 2 else tmp_path) / f"{name}.png")
    (tmp_path / "square.txt").write_text("a grey\n square ")
    return tmp_path


def opened(folder: Path, **changes) -> PictureFolder:
    return PictureFolder(Data(folder=str(folder), kind="folder", size=128, bucket_step=32, **changes))


def item_of(source: PictureFolder, word: str) -> int:
    return next(item for item, cut in enumerate(source.cuts) if word in cut.photo.text)


def test_captions_come_from_beside_or_from_the_name(folder: Path) -> None:
    source = opened(folder)
    assert {source.label(item) for item in range(4)} == {"wide barn", "tall tower", "a grey square", "huge sea"}


def test_pictures_have_their_buckets_size_and_are_cut_not_stretched(folder: Path) -> None:
    source = opened(folder)
    for item, (width, height) in enumerate(source.sizes):
        picture = source.picture(item).astype(float)
        assert picture.shape == (height, width, 3)
        left, top, right, bottom = source.cuts[item].box
        across, down = np.diff(picture[..., 0], axis=1).mean(), np.diff(picture[..., 1], axis=0).mean()
        of = source.cuts[item].photo.size
        # the same number of the picture's pixels in one of ours, both ways
        assert across * of[0] / 255 == pytest.approx(down * of[1] / 255, rel=0.06)
        assert (right - left) / width == pytest.approx((bottom - top) / height, rel=1e-6)
    wide = source.sizes[item_of(source, "barn")]
    assert wide[0] / wide[1] > 1.5


def test_middle_cut_is_in_the_middle_and_whole_along_one_side(folder: Path) -> None:
    source = opened(folder, bucket_ratio=1.0)
    picture = source.picture(item_of(source, "barn")).astype(float)
    assert picture.shape == (128, 128, 3)
    assert picture[..., 0].mean() == pytest.approx(127.5, abs=2)
    assert picture[..., 1].max() - picture[..., 1].min() > 248
    assert picture[..., 0].max() - picture[..., 0].min() == pytest.approx(255 / 2, abs=5)


def test_random_cuts_differ_and_do_not_change_how_often_a_picture_comes(folder: Path) -> None:
    source = opened(folder, crops=4, flips=True)
    boxes = {cut.box for cut in source.cuts}
    assert len(boxes) == 16
    for cut in source.cuts:
        assert 0 <= cut.box[0] < cut.box[2] <= cut.photo.size[0]
        assert 0 <= cut.box[1] < cut.box[3] <= cut.photo.size[1]
    for photo in {cut.photo for cut in source.cuts}:
        of_photo = [item for item, cut in enumerate(source.cuts) if cut.photo == photo]
        assert source.weights[of_photo].sum() == pytest.approx(1)
    assert [cut.box for cut in source.cuts] == [cut.box for cut in opened(folder, crops=4, flips=True).cuts]
    assert len({source.key(item) for item in range(len(source.cuts))}) == len(source.cuts)


def test_mirrored_only_where_the_caption_allows(folder: Path) -> None:
    (folder / "wide_barn-01.txt").write_text("a barn with a tree on the left")
    source = opened(folder, flips=True)
    mirrored = {source.label(item) for item, cut in enumerate(source.cuts) if cut.mirrored}
    assert mirrored == {"tall tower", "a grey square", "huge sea"}
    plain = item_of(source, "tower")
    turned = next(item for item, cut in enumerate(source.cuts) if cut.mirrored and "tower" in cut.photo.text)
    np.testing.assert_array_equal(source.picture(turned), source.picture(plain)[:, ::-1])


def test_size_words_tell_what_is_true_in_half_of_the_captions(folder: Path) -> None:
    ramp((60, 60)).save(folder / "small stamp.png")
    ramp((128, 600)).save(folder / "long snake.png")
    source = opened(folder, size_words=True)
    words = {"stamp": "low resolution", "sea": "high resolution", "square": "", "snake": "cropped"}
    for word, said in words.items():
        item = item_of(source, word)
        captions = [source.caption(item, numpy_generator(seed)) for seed in range(200)]
        with_words = sum(caption != source.label(item) for caption in captions)
        assert set(captions) <= {source.label(item), f"{source.label(item)}, {said}"}
        assert (70 < with_words < 130) if said else with_words == 0


def test_transparent_pictures_lie_on_white_and_turned_ones_stand(tmp_path: Path) -> None:
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    ramp((160, 80)).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    source = PictureFolder(Data(folder=str(tmp_path), kind="folder", size=64, bucket_step=16))
    assert (source.picture(item_of(source, "clear")) == 255).all()
    turned = item_of(source, "turned")
    assert math.prod(source.sizes[turned]) <= 64 * 64
    assert source.sizes[turned][1] > source.sizes[turned][0]
    assert source.picture(turned).shape[:2] == source.sizes[turned][::-1]


def test_held_out_pictures_are_never_drawn(tmp_path: Path) -> None:
    for index in range(60):
        Image.new("RGB", (16, 16), (index, 2 * index, 255 - index)).save(tmp_path / f"shade {index}.png")
    source = PictureFolder(Data(folder=str(tmp_path), kind="folder", size=16, bucket_step=16))
    assert 0 < len(source.validation) < 15
    assert (source.weights[list(source.validation)] == 0).all()
    assert (source.weights > 0).sum() == 60 - len(source.validation)


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no pictures"):
        PictureFolder(Data(folder=str(tmp_path), kind="folder", size=64))
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"bad\.png") as told:
        PictureFolder(Data(folder=str(tmp_path), kind="folder", size=64))
    assert str(tmp_path) not in told.value.message, "the place on this machine is told"


def test_cut_off_file_is_named_when_drawn(folder: Path) -> None:
    path = folder / "more" / "huge sea.png"
    path.write_bytes(path.read_bytes()[:2000])
    source = opened(folder)
    with pytest.raises(UserError, match=r"^more/huge sea\.png") as told:
        source.picture(item_of(source, "sea"))
    assert str(folder) not in told.value.message
