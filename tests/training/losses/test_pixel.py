from __future__ import annotations

import pytest
import torch

from modules.training.losses.pixel import colour, edges, l1, l2


def test_edge_loss_ignores_a_constant_and_sees_a_blur() -> None:
    picture = torch.zeros(1, 3, 16, 16)
    picture[..., 8:] = 1
    assert float(edges(picture + 0.3, picture)) < 1e-6
    blurred = torch.nn.functional.avg_pool2d(picture, 3, 1, 1)
    assert float(edges(blurred, picture)) > 0.01


def test_colour_loss_sees_a_constant_and_ignores_what_averages_out() -> None:
    picture = torch.zeros(1, 3, 16, 16)
    checks = (torch.arange(16)[:, None] + torch.arange(16)[None]) % 2 * 2.0 - 1
    assert float(colour(picture + checks, picture)) < 1e-9
    assert float(colour(picture + 0.3, picture)) == pytest.approx(0.09)


def test_l1_and_l2_are_means_over_all_values() -> None:
    output = torch.tensor([1.0, -2.0, 0.0, 3.0]).view(1, 1, 2, 2)
    assert float(l1(output, torch.zeros_like(output))) == pytest.approx(6 / 4)
    assert float(l2(output, torch.zeros_like(output))) == pytest.approx(14 / 4)
