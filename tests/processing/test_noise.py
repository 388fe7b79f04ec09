import dataclasses
import math

import numpy as np
import pytest
import torch

from modules.processing.noise import NoiseSource, NoiseWish, paste_centre, slerp
from modules.processing.philox import PhiloxGenerator

SHAPE = (4, 8, 6)
CPU = torch.device("cpu")


def source(seeds, shape=SHAPE, **wish):
    return NoiseSource(seeds, shape, NoiseWish(**wish), CPU)


def test_philox_gives_what_a_cuda_card_draws_for_seed_0():
    measured_on_a_card = [-0.92466259, -0.42534415, -2.6438457, 0.14518388]
    np.testing.assert_allclose(PhiloxGenerator(0).normal(4), measured_on_a_card, rtol=2e-6)


def test_philox_is_standard_normal_and_moves_on():
    generator = PhiloxGenerator(1234567890123)
    first, second = generator.normal(40_000), generator.normal(40_000)
    assert abs(first.mean()) < 0.02
    assert abs(first.std() - 1) < 0.02
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02


@pytest.mark.parametrize("kind", ["CPU", "NV"])
@pytest.mark.parametrize(
    "wish",
    [{}, {"variation_strength": 0.3}, {"resize_from": (6, 10)}, {"ensd": 31337}],
    ids=["plain", "variation", "resized", "ensd"],
)
def test_a_picture_of_a_batch_has_the_noise_it_has_alone(kind, wish):
    def make(seeds, variations):
        extra = {"variation_seeds": variations} if "variation_strength" in wish else {}
        return source(seeds, source=kind, **wish, **extra)

    together, alone = make([5, 6, 7], [1, 2, 3]), make([6], [2])
    assert torch.equal(together.initial()[1], alone.initial()[0])
    assert torch.equal(together.normal()[1], alone.normal()[0])
    assert torch.equal(together.normal()[1], alone.normal()[0])
    both, one = together.brownian(0.03, 14.6), alone.brownian(0.03, 14.6)
    assert torch.equal(both(10.0, 5.0)[1], one(10.0, 5.0)[0])


def test_cpu_noise_is_torchs_own():
    expected = torch.randn(SHAPE, generator=torch.Generator().manual_seed(9))
    assert torch.equal(source([9]).initial()[0], expected)


def test_ensd_restarts_the_stream_after_the_first_draw():
    moved = source([9], ensd=1000)
    assert torch.equal(moved.initial(), source([9]).initial())
    assert torch.equal(moved.normal(), source([1009]).initial())


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_variation_at_its_ends_is_one_of_both(share):
    first, second = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(1))
    expected = second if share else first
    assert torch.allclose(slerp(share, first, second), expected, atol=1e-5)


def test_variation_keeps_the_length_of_noise():
    mixed = source([1], shape=(4, 64, 64), variation_seeds=[2], variation_strength=0.5).initial()
    assert float(mixed.std()) == pytest.approx(1.0, abs=0.02)


def test_a_resized_seed_shows_the_old_noise_in_the_centre():
    small, large = torch.randn(4, 4, 4), torch.zeros(4, 8, 10)
    pasted = paste_centre(small, large)
    assert torch.equal(pasted[:, 2:6, 3:7], small)
    assert float(pasted.abs().sum()) == pytest.approx(float(small.abs().sum()), rel=1e-6)
    assert torch.equal(paste_centre(large + 1, torch.zeros(4, 4, 4)), torch.ones(4, 4, 4))


def test_brownian_increments_are_unit_noise_and_add_up():
    path = source([3], shape=(4, 64, 64)).brownian(0.1, 10.0)
    whole, first, second = path(10.0, 2.0), path(10.0, 6.0), path(6.0, 2.0)
    assert float(first.std()) == pytest.approx(1.0, abs=0.03)
    assert torch.allclose(whole * math.sqrt(8), first * 2 + second * 2, atol=1e-4)
    assert torch.equal(path(6.0, 2.0), second)


def test_one_seed_for_the_whole_batch_when_asked():
    shared = source([3, 4], per_image_brownian=False)
    assert dataclasses.asdict(shared.wish)["per_image_brownian"] is False
    assert not torch.equal(shared.brownian(0.1, 10)(10, 1)[1], source([4]).brownian(0.1, 10)(10, 1)[0])
