"""Latent upscaling against sums written out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from modules.core.errors import NotFoundError
from modules.processing.upscalers.latent import LATENT_MODES, upscale_latents


def cubic(x: float, a: float) -> float:
    x = abs(x)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def weights(name: str, was: int, will: int) -> torch.Tensor:
    """[will, was]: how much each old value counts in each new one."""
    ratio = was / will
    table = torch.zeros(will, was)
    for i in range(will):
        if "nearest" in name:
            place = (i + 0.5) * ratio if "exact" in name else i * ratio
            table[i, math.floor(place)] = 1
            continue
        soft = "antialiased" in name
        # antialiasing cuts the filter off at the border and is Keys' cubic with -0.5; without it the border repeats
        stretch = max(ratio, 1.0) if soft else 1.0
        centre = (i + 0.5) * ratio - 0.5
        reach = math.ceil(stretch * 2) + 1
        for j in range(math.floor(centre) - reach, math.floor(centre) + reach + 1):
            x = (j - centre) / stretch
            weight = cubic(x, -0.5 if soft else -0.75) if "bicubic" in name else max(0.0, 1 - abs(x))
            if not soft:
                table[i, min(max(j, 0), was - 1)] += weight
            elif 0 <= j < was:
                table[i, j] += weight
        table[i] /= table[i].sum()
    return table


@pytest.mark.parametrize("name", LATENT_MODES)
@pytest.mark.parametrize("size", [(16, 24), (13, 9), (5, 4)])
def test_each_mode_is_what_its_name_says(name: str, size: tuple[int, int]) -> None:
    x = torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(5))
    wanted = torch.einsum("ih,bchw,jw->bcij", weights(name, 8, size[0]), x, weights(name, 12, size[1]))
    got = upscale_latents(x, size, name)
    assert got.shape == (2, 4, *size)
    assert torch.allclose(got, wanted, atol=1e-5), (got - wanted).abs().max()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays(dtype: torch.dtype) -> None:
    x = torch.randn(1, 4, 4, 4).to(dtype)
    for name in LATENT_MODES:
        assert upscale_latents(x, (8, 8), name).dtype == dtype


def test_the_six_names_of_a1111() -> None:
    assert len(LATENT_MODES) == 6
    with pytest.raises(NotFoundError, match="Latent \\(bicubic\\)"):
        upscale_latents(torch.zeros(1, 4, 4, 4), (8, 8), "Latent (cubic)")
