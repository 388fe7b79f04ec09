from __future__ import annotations

import numpy as np
import pytest

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
