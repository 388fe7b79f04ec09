"""Every measure with painters whose score is known beforehand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from modules.core.errors import UserError
from modules.training import measures
from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.datasets.scenes import COLOURS, PLAIN, Scene, draw
from modules.training.likeness import Likeness
from modules.training.measures import Measure
from modules.training.painter import Painter, Wish


def truth(pictures: PictureSet, *, off_by: int = 0) -> Painter:
    """Paints the true pictures, or those of the subject `off_by` further on."""
    indices = {subject.label: index for index, subject in enumerate(pictures.subjects)}

    def paint(wishes: Sequence[Wish]) -> np.ndarray:
        scenes = []
        for wish in wishes:
            label, _, colour = wish.prompt.partition(" on a")
            subject = (indices[label] + off_by) % len(indices)
            scenes.append(Scene((subject,), colour.split()[-2] if colour else PLAIN))
        return np.stack([draw(scene, pictures) for scene in scenes])

    return paint


def perfect(originals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return originals, np.random.default_rng(0).normal(0, 1, (len(originals), 4, 32, 32))


def test_a_painter_of_the_true_pictures_has_all_labels_right(pictures: PictureSet) -> None:
    likeness, subjects = Likeness(pictures), measures.choose(pictures, 4)
    found, details, painted = measures.labels(truth(pictures), likeness, pictures, subjects, seed=7)
    assert [(one.value, one.met) for one in found] == [(100, True), (100, True)]
    assert [one.prompt for one in details] == ["red circle", "green circle", "blue circle", "yellow circle"]
    assert [one.nearest for one in details] == [one.prompt for one in details]
    assert [one.seed for one in details] == [7, 8, 9, 10]
    assert painted.shape == (4, 32, 32, 3)


def test_a_painter_of_wrong_pictures_has_none_right(pictures: PictureSet) -> None:
    likeness, subjects = Likeness(pictures), measures.choose(pictures, 4)
    found, details, _ = measures.labels(truth(pictures, off_by=3), likeness, pictures, subjects, seed=1)
    assert (found[0].value, found[0].met) == (0, False)
    assert all(one.place > 1 for one in details)
    assert details[0].nearest == "green square"


def test_one_right_label_of_four_is_25_percent(pictures: PictureSet) -> None:
    right, wrong = truth(pictures), truth(pictures, off_by=2)

    def paint(wishes: Sequence[Wish]) -> np.ndarray:
        return np.concatenate([right(wishes[:1]), wrong(wishes[1:])])

    found, *_ = measures.labels(paint, Likeness(pictures), pictures, measures.choose(pictures, 4), seed=1)
    assert found[0].value == 25


def test_labels_are_popular_and_evenly_spaced(pictures: PictureSet) -> None:
    assert measures.choose(pictures, 4) == [0, 2, 4, 6]
    assert measures.choose(pictures, 2) == [0, 4]
    with pytest.raises(UserError, match=r"5 labels.*1 to 4"):
        measures.choose(pictures, 5)


@pytest.mark.parametrize("colour", COLOURS)
def test_the_background_of_a_drawn_scene_is_named(pictures: PictureSet, colour: str) -> None:
    noise = np.random.default_rng(1).normal(0, 12, (32, 32, 3))
    for index in range(len(pictures.subjects)):
        picture = draw(Scene((index,), colour), pictures)
        assert measures.background(picture) == colour
        assert measures.background(np.clip(picture + noise, 0, 255).astype(np.uint8)) == colour


def test_a_subject_in_one_corner_does_not_name_the_background(pictures: PictureSet) -> None:
    picture = draw(Scene((0,), "blue"), pictures)
    picture[:12, :12] = COLOURS["yellow"]
    assert measures.background(picture) == "blue"
    picture[:, :] = COLOURS["yellow"]
    assert measures.background(picture) == "yellow"


def test_compositions_ask_for_the_colours_in_turn(pictures: PictureSet) -> None:
    subjects = [0, 2, 4, 6] * 5
    found, details, _ = measures.compositions(truth(pictures), pictures, subjects, seed=1)
    assert (found.value, found.met) == (100, True)
    assert details[0].prompt == "red circle on a red background"
    assert details[1].prompt == "green circle on an orange background"
    assert {one.colour for one in details} == set(COLOURS) - {PLAIN}


def test_white_backgrounds_are_not_the_named_ones(pictures: PictureSet) -> None:
    def paint(wishes: Sequence[Wish]) -> np.ndarray:
        return truth(pictures)([Wish(wish.prompt.split(" on ")[0], wish.seed) for wish in wishes])

    found, details, _ = measures.compositions(paint, pictures, [0, 2, 4, 6], seed=1)
    assert (found.value, found.met) == (0, False)
    assert {one.seen for one in details} == {PLAIN}


def test_the_difference_of_seeds_is_its_closed_form(pictures: PictureSet) -> None:
    def paint(wishes: Sequence[Wish]) -> np.ndarray:
        return np.stack([np.full((32, 32, 3), 10 * wish.seed, np.uint8) for wish in wishes])

    found = measures.diversity(paint, pictures, seed=3)
    assert found.value == pytest.approx((3 * 10 + 2 * 20 + 30) / 6)
    assert "between labels it is 0.0" in found.rule
    deaf = measures.diversity(truth(pictures), pictures, seed=3)
    assert (deaf.value, deaf.met) == (0, False)


def test_an_autoencoder_that_changes_nothing_is_perfect(pictures: PictureSet) -> None:
    signal, structure, deviation = measures.rebuilt(perfect, pictures)
    assert signal.value == math.inf
    assert structure.value == pytest.approx(1)
    assert deviation.value == pytest.approx(1, abs=0.05)
    assert all(one.met for one in (signal, structure, deviation))


def test_an_autoencoder_off_by_ten_levels_has_its_closed_form(pictures: PictureSet) -> None:
    def darker(originals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.where(originals >= 10, originals - 10, originals + 10).astype(np.uint8), 3 * perfect(originals)[1]

    signal, _, deviation = measures.rebuilt(darker, pictures)
    assert signal.value == pytest.approx(20 * math.log10(255 / 10))
    assert (signal.met, deviation.met) == (True, False)


def test_the_ceiling_falls_with_the_autoencoder(pictures: PictureSet) -> None:
    def grey(originals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.full_like(originals, 128), perfect(originals)[1]

    likeness, subjects = Likeness(pictures), measures.choose(pictures, 4)
    whole = measures.ceiling(likeness, perfect, pictures, subjects)
    assert (whole.value, whole.met) == (100, True)
    broken = measures.ceiling(likeness, grey, pictures, subjects)
    assert 75 <= broken.value <= 82
    assert not broken.met


@pytest.mark.parametrize(
    ("low", "high", "bar", "met"),
    [
        (28, math.inf, "at least 28 dB", True),
        (31, math.inf, "at least 31 dB", False),
        (-math.inf, 8, "at most 8 dB", False),
        (29.5, 30, "29.5 to 30 dB", True),
    ],
)
def test_a_measure_knows_its_bar(low: float, high: float, bar: str, met: bool) -> None:
    measure = Measure("PSNR", 30.0, "dB", "", low, high)
    assert (measure.bar, measure.met) == (bar, met)
