from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from modules.core.errors import UserError
from modules.training.config import Data
from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.datasets.scenes import COLOURS, PLACES, Scene, caption, draw, make_scenes, weights
from modules.training.randomness import numpy_generator

DATA = Data(folder="", size=32, popular_share=0.8, plain_share=0.5, colours=3, pairs=4)


def test_scenes_and_captions_depend_on_the_seed_only(pictures: PictureSet) -> None:
    scenes = make_scenes(pictures, DATA, 7)
    assert scenes == make_scenes(pictures, DATA, 7) != make_scenes(pictures, DATA, 8)
    told = [[caption(scene, pictures, numpy_generator(seed, "c")) for scene in scenes] for seed in (1, 1, 2)]
    assert told[0] == told[1] != told[2]


@pytest.mark.parametrize("name", COLOURS)
def test_background_is_drawn_and_told(name: str, pictures: PictureSet) -> None:
    scene = Scene((0,), name)
    assert tuple(draw(scene, pictures)[0, 0]) == COLOURS[name]
    if name != "white":
        texts = [caption(scene, pictures, numpy_generator(seed)) for seed in range(20)]
        assert all(name in text.split(" on ")[1] for text in texts)


def test_pair_shows_both_side_by_side(pictures: PictureSet) -> None:
    picture = draw(Scene((0, 4)), pictures).astype(int)
    left, right = picture[12:20, 4:12].mean((0, 1)), picture[12:20, 20:28].mean((0, 1))
    np.testing.assert_allclose(left, (220, 40, 40), atol=8)
    np.testing.assert_allclose(right, (40, 70, 220), atol=8)


def test_draws_follow_the_stated_shares(pictures: PictureSet) -> None:
    scenes = make_scenes(pictures, DATA, 1)
    chances = weights(scenes, pictures, DATA)
    popular = np.array([pictures.subjects[scene.subjects[0]].popular for scene in scenes])
    plain = np.array([scene.plain for scene in scenes])
    assert chances.sum() == pytest.approx(1)
    assert chances[popular].sum() == pytest.approx(0.8)
    assert chances[plain].sum() == pytest.approx(0.5)


def test_a_misspelt_focus_is_told_with_the_label_that_was_meant(pictures: PictureSet) -> None:
    with pytest.raises(UserError, match=r"'red cirkle'.*1 of 2.*'red circle'") as told:
        make_scenes(pictures, replace(DATA, focus=("blue square", "red cirkle")), 1)
    assert told.value.field == "data.focus"


@pytest.mark.parametrize("place", PLACES)
def test_placed_subject_is_where_the_caption_says(place: str, pictures: PictureSet) -> None:
    scene = Scene((0,), place=place)
    rows, columns = np.nonzero((draw(scene, pictures).astype(int) < 200).any(-1))
    wanted = {"left": columns.mean() < 12, "right": columns.mean() > 20, "top": rows.mean() < 12}
    wanted |= {"bottom": rows.mean() > 20, "middle": abs(rows.mean() - 15.5) < 1 and abs(columns.mean() - 15.5) < 1}
    assert wanted[place.split()[-1]], (rows.mean(), columns.mean())
    assert caption(scene, pictures, numpy_generator(1)).startswith(f"a small red circle {place}")


def test_gradient_runs_from_the_first_colour_to_the_second(pictures: PictureSet) -> None:
    scene = Scene((0,), "red", blend="blue")
    picture = draw(scene, pictures)
    assert (tuple(picture[0, 0]), tuple(picture[-1, 0])) == (COLOURS["red"], COLOURS["blue"])
    assert "on a red to blue gradient background" in caption(scene, pictures, numpy_generator(1))


def test_mirrored_scenes_come_last_and_only_where_the_meaning_allows(pictures: PictureSet) -> None:
    arrow = replace(pictures.subjects[1], label="left arrow")
    told = replace(pictures, subjects=(pictures.subjects[0], arrow, *pictures.subjects[2:]))
    data = replace(DATA, placed=3, blends=2)
    plain, both = make_scenes(told, data, 1), make_scenes(told, replace(data, flips=True), 1)
    assert both[: len(plain)] == plain
    mirrored = both[len(plain) :]
    assert mirrored
    assert all(one.mirrored and len(one.subjects) == 1 and not one.place and one.subjects != (1,) for one in mirrored)
    np.testing.assert_array_equal(draw(mirrored[0], told), draw(replace(mirrored[0], mirrored=False), told)[:, ::-1])


def with_variants(pictures: PictureSet) -> PictureSet:
    """Three tones of one hand and one flag after all others."""
    hands = [replace(pictures.subjects[0], label=f"hand {n}", popular=False, variant_of="hand") for n in range(3)]
    flag = replace(hands[0], label="a flag", variant_of="flag")
    more = np.concatenate([pictures.pictures, pictures.pictures[:4]])
    return PictureSet((*pictures.subjects, *hands, flag), more)


def test_variants_get_their_share_and_no_more(pictures: PictureSet) -> None:
    every = with_variants(pictures)
    data = replace(DATA, variants_share=0.12)
    scenes = make_scenes(every, data, 1)
    chances = weights(scenes, every, data)
    of = [every.subjects[scene.subjects[0]].variant_of for scene in scenes]
    shares = {kind: sum(chance for chance, one in zip(chances, of) if one == kind) for kind in ("hand", "flag", "")}
    assert shares == {"hand": pytest.approx(0.06), "flag": pytest.approx(0.06), "": pytest.approx(0.88)}
    assert [scene for scene, one in zip(scenes, of) if one] == [Scene((index,)) for index in range(8, 12)]


def test_without_a_share_variants_change_nothing(pictures: PictureSet) -> None:
    scenes = make_scenes(with_variants(pictures), DATA, 1)
    assert scenes == make_scenes(pictures, DATA, 1)
    np.testing.assert_array_equal(weights(scenes, with_variants(pictures), DATA), weights(scenes, pictures, DATA))


def test_share_of_variants_that_are_not_there_is_refused(pictures: PictureSet) -> None:
    with pytest.raises(UserError, match="variants"):
        make_scenes(pictures, replace(DATA, variants_share=0.1), 1)
