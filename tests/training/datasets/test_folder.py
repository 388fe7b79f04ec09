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


def test_a_trigger_leads_captions_and_takes_the_place_of_file_names(folder: Path) -> None:
    source = opened(folder, trigger="sks")
    assert sorted(source.label(item) for item in range(4)) == ["sks", "sks", "sks", "sks, a grey square"]
    (folder / "square.txt").write_text("a photo of SKS, grey")
    assert "a photo of SKS, grey" in {opened(folder, trigger="sks").label(item) for item in range(4)}


def test_tags_are_shuffled_and_left_out_behind_those_that_are_kept(folder: Path) -> None:
    (folder / "square.txt").write_text("1girl, red hat, smile, outdoors, , sky")
    source = opened(folder, shuffle_tags=True, keep_tags=2, tag_dropout=0.3)
    item = item_of(source, "hat")
    drawn = [source.caption(item, numpy_generator(seed)).split(", ") for seed in range(400)]
    assert all(tags[:2] == ["1girl", "red hat"] for tags in drawn)
    left = [tags[2:] for tags in drawn]
    assert {tuple(sorted(tags)) for tags in left} > {("outdoors", "sky", "smile"), ()}
    assert len({tuple(tags) for tags in left if len(tags) == 3}) == 6, "every order comes up"
    assert sum(map(len, left)) / 1200 == pytest.approx(0.7, abs=0.05)
    assert source.label(item) == "1girl, red hat, smile, outdoors, , sky"
    assert source.captions_vary
    assert not opened(folder).captions_vary


def test_repeats_and_regularisation_set_how_often_pictures_come(folder: Path, tmp_path: Path) -> None:
    for name in ("3_barn/x.png", "reg/1_building/y.png", "reg/1_building/z.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        ramp((128, 128)).save(folder / name)
    classes = tmp_path.parent / f"{tmp_path.name}-classes"
    classes.mkdir()
    ramp((128, 128)).save(classes / "w.png")
    source = PictureFolder(Data(folder=str(folder), kind="folder", size=128, bucket_step=32, trigger="sks"), classes)
    weights = {cut.photo.path.name: float(weight) for cut, weight in zip(source.cuts, source.weights)}
    assert weights["x.png"] == 3 * weights["square.png"]
    marked = {cut.photo.path.name for item, cut in enumerate(source.cuts) if source.is_regularisation(item)}
    assert marked == {"w.png", "y.png", "z.png"}
    assert sum(weights[name] for name in marked) == pytest.approx(sum(weights.values()) / 2)
    assert not any(source.is_regularisation(item) for item in source.validation)
    assert {source.label(item) for item in range(len(source.cuts)) if source.is_regularisation(item)} == {
        *("building", "w")
    }


def test_masks_follow_their_pictures_cuts_and_keep_the_mean(folder: Path) -> None:
    """The mask is the picture's own green channel, so that every cut of it can be foretold from the picture's cut."""
    sea = folder / "more" / "huge sea.png"
    with Image.open(sea) as image:
        green = image.getchannel("G")
        Image.merge("RGB", (green, green, green)).save(sea.with_name("huge sea-masklabel.png"))
    clear = Image.open(folder / "square.png").convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    clear.save(folder / "square.png")
    source = opened(folder, masks=True, unmasked_weight=0.25, crops=3, flips=True)
    for item in (item for item, cut in enumerate(source.cuts) if cut.photo.path == sea):
        width, height = source.sizes[item]
        found = source.mask(item, (width // 8, height // 8))
        assert found is not None
        shown = np.asarray(source.picture(item), float)[..., 1].reshape(height // 8, 8, width // 8, 8).mean((1, 3))
        expected = 0.25 + 0.75 * shown / 255
        np.testing.assert_allclose(found, expected / expected.mean(), atol=0.02)
        assert found.dtype == np.float32
    faded = source.mask(item_of(source, "grey"), (16, 16))
    assert faded is not None
    assert faded[-1].mean() > 2 * faded[0].mean()
    assert source.mask(item_of(source, "barn"), (16, 16)) is None
    assert opened(folder).mask(0, (16, 16)) is None


def test_a_mask_that_leaves_nothing_is_named(folder: Path) -> None:
    Image.new("L", (128, 128)).save(folder / "square-masklabel.png")
    source = opened(folder, masks=True)
    with pytest.raises(UserError, match=r"square-masklabel\.png leaves nothing"):
        source.mask(item_of(source, "square"), (16, 16))
    np.testing.assert_array_equal(opened(folder, masks=True, unmasked_weight=1.0).mask(0, (4, 4)) or 1, 1)


def test_colours_of_all_cuts_but_the_first_vary(folder: Path) -> None:
    plain, jittered = opened(folder, crops=3), opened(folder, crops=3, colour_jitter=0.3)
    assert [cut.box for cut in plain.cuts] == [cut.box for cut in jittered.cuts]
    for item in range(0, 12, 3):
        np.testing.assert_array_equal(plain.picture(item), jittered.picture(item))
        for other in (item + 1, item + 2):
            assert np.abs(plain.picture(other).astype(int) - jittered.picture(other)).mean() > 1
            assert plain.key(other) != jittered.key(other)
            assert all(0.7 <= factor <= 1.3 for factor in jittered.cuts[other].colours)


def test_a_focal_cut_goes_where_most_is_to_be_seen(tmp_path: Path) -> None:
    picture = np.full((64, 256, 3), 128, np.uint8)
    picture[:, 200:248] = np.random.default_rng(0).integers(0, 256, (64, 48, 3))
    Image.fromarray(picture).save(tmp_path / "corner.png")
    wish = {"kind": "folder", "size": 64, "bucket_step": 16, "bucket_ratio": 1.0}
    middle, focal = (PictureFolder(Data(folder=str(tmp_path), cut=cut, **wish)) for cut in ("middle", "focal"))
    assert middle.picture(0).std() < 2
    assert focal.picture(0).std() > 40


def test_deep_grey_pictures_keep_their_shades(tmp_path: Path) -> None:
    shades = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(shades).save(tmp_path / "deep.png")
    source = PictureFolder(Data(folder=str(tmp_path), kind="folder", size=64, bucket_step=16))
    np.testing.assert_allclose(source.picture(0)[..., 0], shades / 257, atol=1)
