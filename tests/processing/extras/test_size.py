"""Sizes of results: multiples of 8 by a factor, the target covered otherwise."""

import pytest

from modules.processing.extras.request import Size, Target
from modules.processing.extras.size import result_size


@pytest.mark.parametrize("by", [1, 1.5, 2, 2.7, 4, 8])
@pytest.mark.parametrize(("width", "height"), [(64, 64), (100, 60), (33, 21), (513, 767)])
def test_a_factor_gives_multiples_of_8_rounded_down(width: int, height: int, by: float) -> None:
    assert result_size(width, height, Size(by=by)) == (int(width * by) // 8 * 8, int(height * by) // 8 * 8)


def test_a_factor_that_binary_fractions_miss_loses_no_step() -> None:
    assert result_size(50, 100, Size(by=2.24)) == (112, 224)


def test_no_side_vanishes() -> None:
    assert result_size(3, 900, Size(by=1)) == (8, 896)


@pytest.mark.parametrize(("width", "height"), [(300, 200), (301, 200), (200, 301), (512, 512), (50, 1000)])
@pytest.mark.parametrize("target", [(512, 512), (100, 100), (333, 77)])
def test_a_target_is_covered_tightly(width: int, height: int, target: tuple[int, int]) -> None:
    made = result_size(width, height, Size(to=Target(width=target[0], height=target[1])))
    scale = max(target[0] / width, target[1] / height)
    for side, had, wanted in zip(made, (width, height), target):
        assert side >= wanted
        assert side == wanted or (side % 8 == 0 and 0 <= had * scale - side < 9)


@pytest.mark.parametrize(("size", "expected"), [((640, 480), (1000, 744)), ((480, 640), (744, 1000))])
def test_the_longest_side_limits_a_factor(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert result_size(*size, Size(by=4, max_side=1000)) == expected
    assert result_size(*size, Size(by=1, max_side=1000)) == size
