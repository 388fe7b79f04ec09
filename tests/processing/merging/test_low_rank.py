from __future__ import annotations

import pytest
import torch

from modules.processing.merging.low_rank import nearest


def product(up: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    return (up.flatten(1) @ down.flatten(1)).reshape(up.shape[0], *down.shape[1:])


@pytest.mark.parametrize("shape", [(64, 48), (400, 300), (96, 80, 3, 3), (64, 32, 1, 1)])
def test_a_change_of_that_rank_is_met_exactly(shape: tuple[int, ...]) -> None:
    made = torch.Generator().manual_seed(1)
    rest = torch.Size(shape[1:]).numel()
    change = (torch.randn(shape[0], 4, generator=made) @ torch.randn(4, rest, generator=made)).reshape(shape)
    up, down = nearest(change, 4)
    assert (up.shape[1], down.shape[0]) == (4, 4)
    torch.testing.assert_close(product(up, down), change, rtol=1e-4, atol=1e-4)


def test_the_error_is_that_of_the_best_matrix_of_this_rank() -> None:
    made = torch.Generator().manual_seed(2)
    change = torch.randn(300, 200, generator=made) @ torch.diag(1 / torch.arange(1, 201))
    best = torch.linalg.svdvals(change)[8:].norm()  # Eckart and Young 1936
    up, down = nearest(change, 8)
    assert float((change - up @ down).norm() / best) == pytest.approx(1, abs=1e-4)


def test_it_is_the_same_every_time_and_leaves_chance_alone() -> None:
    change = torch.randn(300, 200)
    before = torch.get_rng_state()
    first, second = nearest(change, 4), nearest(change, 4)
    assert all(torch.equal(a, b) for a, b in zip(first, second))
    assert torch.equal(torch.get_rng_state(), before)
