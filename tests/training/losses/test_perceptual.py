from __future__ import annotations

import math

import torch

from modules.training.losses.perceptual import WAVELENGTH, GaborEnergies, gabor_kernels
from modules.training.losses.pixel import l2


def stripes(phase: float, strength: float = 1.0) -> torch.Tensor:
    columns = torch.arange(32.0)
    return (strength * torch.sin(2 * math.pi * columns / WAVELENGTH + phase)).expand(1, 3, 32, 32)


def test_filters_see_no_constant_and_are_of_equal_strength() -> None:
    kernels = gabor_kernels()
    torch.testing.assert_close(kernels.sum((1, 2, 3)), torch.zeros(len(kernels)), rtol=0, atol=1e-6)
    torch.testing.assert_close(kernels.square().sum((1, 2, 3)), torch.ones(len(kernels)))
    overlaps = torch.einsum("ahw,bhw->ab", kernels[:, 0], kernels[:, 0])[: len(kernels) // 2, len(kernels) // 2 :]
    assert float(overlaps.abs().max()) < 1e-6, "even and odd filters must be independent"


def test_energy_of_stripes_does_not_depend_on_where_they_begin() -> None:
    energies = GaborEnergies().energies
    inside = [energies(stripes(phase))[:, 0, 8:-8, 8:-8] for phase in (0.0, 0.4, 1.3)]
    assert float(inside[0].min()) > 1, "the filter across the stripes must answer"
    for other in inside[1:]:
        torch.testing.assert_close(other, inside[0], rtol=0.1, atol=0)


def test_a_shifted_texture_costs_less_than_a_flat_one_although_l2_says_the_opposite() -> None:
    loss, picture = GaborEnergies(), stripes(0.0)
    shifted, flat = stripes(math.pi / 2), torch.zeros_like(picture)
    assert float(l2(shifted, picture)) > 1.5 * float(l2(flat, picture))
    assert float(loss(shifted, picture)) < 0.5 * float(loss(flat, picture))
    assert float(loss(picture, picture)) == 0


def test_its_slope_is_finite_where_there_is_no_energy() -> None:
    output = torch.zeros(1, 3, 32, 32, requires_grad=True)
    GaborEnergies()(output, stripes(0.0)).backward()
    assert output.grad is not None
    assert torch.isfinite(output.grad).all()
