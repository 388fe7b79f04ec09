from __future__ import annotations

import math

import numpy as np
import pytest

from modules.training.buckets import BucketDraws, bucket_sizes, nearest_bucket
from modules.training.randomness import numpy_generator


@pytest.mark.parametrize(("side", "step", "ratio"), [(512, 64, 2.0), (1024, 64, 4.0), (256, 32, 2.5), (256, 64, 2.0)])
def test_buckets_have_about_one_area_and_bounded_shape(side: int, step: int, ratio: float) -> None:
    buckets = bucket_sizes(side, step, ratio)
    assert (side, side) in buckets
    assert {(height, width) for width, height in buckets} == set(buckets)
    for width, height in buckets:
        assert width % step == height % step == 0
        assert max(width, height) <= ratio * min(width, height)
        most = max(width, height)
        assert side * side - min(width, height) * step < width * height <= side * side, (width, height)
        assert width * height / side**2 > 1 - step / most - 1e-9


def test_pictures_keep_their_aspect_ratio_within_a_bound() -> None:
    buckets = bucket_sizes(1024, 64, 2.0)
    generator = np.random.default_rng(0)
    worst = 0.0
    for _ in range(500):
        width, height = generator.integers(300, 3000, 2).tolist()
        if not 1 / 2 <= width / height <= 2:
            continue
        found = nearest_bucket((width, height), buckets)
        worst = max(worst, abs(math.log(found[0] / found[1] * height / width)))
    assert worst < math.log(1.14), f"changed by a factor of {math.exp(worst):.3f}"


def test_portrait_and_landscape_are_treated_alike() -> None:
    buckets = bucket_sizes(512, 64, 3.0)
    for width, height in [(500, 400), (640, 480), (1000, 370), (601, 600)]:
        upright = nearest_bucket((height, width), buckets)
        assert nearest_bucket((width, height), buckets) == (upright[1], upright[0])


def test_every_item_comes_as_often_as_it_weighs_and_a_batch_has_one_size() -> None:
    sizes = [(64, 64)] * 3 + [(32, 128)] + [(128, 32)] * 2
    weights = np.array([1.0, 2, 0, 3, 4, 2])
    draws = BucketDraws(sizes, weights)
    counts = np.zeros(len(sizes))
    for step in range(6000):
        batch = draws.draw(4, numpy_generator("test", step))
        assert len({sizes[item] for item in batch}) == 1
        counts += np.bincount(batch, minlength=len(sizes))
    np.testing.assert_allclose(counts / counts.sum(), weights / weights.sum(), atol=0.012)
    assert counts[2] == 0


def test_rows_number_the_members_of_a_bucket() -> None:
    draws = BucketDraws([(64, 64), (32, 128), (64, 64)], np.ones(3))
    for item in range(3):
        assert draws.members[draws.bucket_of[item]][draws.row_of[item]] == item


def test_set_of_one_size_is_drawn_without_drawing_a_bucket() -> None:
    weights = np.array([0.2, 0.0, 0.5, 0.3])
    draws = BucketDraws([(64, 64)] * 4, weights)
    wanted = np.random.default_rng(4).choice(4, 100, p=weights)
    np.testing.assert_array_equal(draws.draw(100, np.random.default_rng(4)), wanted)
