"""The descriptor finds a true picture again, changed or not, and does not find a wrong one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.datasets.scenes import Scene, draw
from modules.training.likeness import ORIENTATIONS, Likeness, describe, disturbances


def drawn(pictures: PictureSet) -> np.ndarray:
    return np.stack([draw(Scene((index,)), pictures) for index in range(len(pictures.subjects))])


def test_true_pictures_come_first_and_others_do_not(pictures: PictureSet) -> None:
    likeness, true = Likeness(pictures), drawn(pictures)
    every = list(range(len(true)))
    assert likeness.places(true, every).tolist() == [1] * len(true)
    assert likeness.nearest(true) == every
    assert min(likeness.places(np.roll(true, 1, axis=0), every)) > 1


@pytest.mark.parametrize("name", disturbances(32))
def test_a_changed_picture_is_still_found(pictures: PictureSet, name: str) -> None:
    true = drawn(pictures)
    changed = np.stack([disturbances(32)[name](picture, place) for place, picture in enumerate(true)])
    assert changed.shape == true.shape
    assert all((one != other).any() for one, other in zip(changed, true))
    places = Likeness(pictures).places(changed, list(range(len(true))))
    assert places.tolist() == [1] * len(true)


def test_equal_pictures_count_once(pictures: PictureSet) -> None:
    twice = np.concatenate([pictures.pictures, pictures.pictures[:1]])
    more = PictureSet((*pictures.subjects, dataclasses.replace(pictures.subjects[0], label="the same")), twice)
    likeness = Likeness(more)
    assert len(likeness) == len(pictures.subjects)
    assert likeness.places(drawn(pictures)[:1], [len(pictures.subjects)]).tolist() == [1]


def test_the_place_is_the_rank_of_the_distance(pictures: PictureSet) -> None:
    """Against distances taken pair by pair from the descriptors."""
    true = drawn(pictures)
    shape, colour = describe(true)
    units = [np.mean([[np.linalg.norm(a - b) for b in part] for a in part]) for part in (shape, colour)]

    def distance(one: int, other: int) -> float:
        parts = zip((shape, colour), units)
        return float(sum(np.linalg.norm(part[one] - part[other]) / unit for part, unit in parts))

    order = sorted(range(len(true)), key=lambda other: distance(2, other))
    places = Likeness(pictures).places(np.repeat(true[2:3], len(true), axis=0), order)
    assert places.tolist() == list(range(1, len(true) + 1))


@pytest.mark.parametrize(("degrees", "bin_"), [(0, 0), (45, 2), (90, 4), (135, 6)])
def test_a_ramp_has_one_orientation(degrees: int, bin_: int) -> None:
    rows, columns = np.mgrid[0:64, 0:64]
    slope = np.deg2rad(degrees)
    ramp = 128 + 1.25 * (np.cos(slope) * (columns - 32) + np.sin(slope) * (rows - 32))
    shape, _ = describe([np.repeat(np.round(ramp).astype(np.uint8)[..., None], 3, axis=2)])
    strength = (shape[0].reshape(-1, ORIENTATIONS) ** 2).sum(0)
    assert strength.argmax() == bin_, strength
    assert strength.sum() == pytest.approx(1, abs=1e-3)
