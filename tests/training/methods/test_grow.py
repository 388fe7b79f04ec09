from __future__ import annotations

import dataclasses

import pytest
import torch

from modules.core.errors import UserError
from modules.training.config import Diffusion
from modules.training.methods.grow import start_from
from modules.training.methods.latent_diffusion import build_unet

SMALL = Diffusion(
    channels=(16, 32), attention=(False, True), head_dim=8, norm_groups=4, text_width=32, text_heads=2, pooled_text=True
)
LARGE = dataclasses.replace(SMALL, channels=(16, 16, 32), attention=(False, False, True))


def _trained(settings: Diffusion, side: int):
    """With noise in every weight: a fresh network says 0 to everything."""
    unet = build_unet(settings, 4, side)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for one in unet.parameters():
            one.add_(torch.randn(one.shape, generator=generator) * 0.05)
    return unet


@torch.no_grad()
def test_grown_network_says_at_double_size_what_the_small_one_said() -> None:
    small, large = _trained(SMALL, 8), build_unet(LARGE, 4, 16)
    for conv in (small.conv_in, small.conv_out):  # these two see neighbours, which repeated pixels change
        centre = conv.weight[..., 1, 1].clone()
        conv.weight.zero_()
        conv.weight[..., 1, 1] = centre
    start_from(large, small)
    x, text, timestep = torch.randn(2, 4, 8, 8), torch.randn(2, 77, 32), torch.tensor([500])
    said = small(x, timestep, text).sample
    grown = large(_repeated(x), timestep, text).sample
    assert said.abs().max() > 0.1
    torch.testing.assert_close(grown, _repeated(said), rtol=1e-4, atol=1e-4)


def _repeated(x: torch.Tensor) -> torch.Tensor:
    return x.repeat_interleave(2, -1).repeat_interleave(2, -2)


@torch.no_grad()
def test_the_same_levels_are_the_same_network() -> None:
    finished, unet = _trained(SMALL, 8), build_unet(SMALL, 4, 8)
    start_from(unet, finished)
    x, text = torch.randn(1, 4, 8, 8), torch.randn(1, 77, 32)
    assert torch.equal(unet(x, 3, text).sample, finished(x, 3, text).sample)


def test_other_levels_and_other_widths_are_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"\[16, 32\].*\[8, 16\]"):
        start_from(build_unet(SMALL, 4, 8), build_unet(dataclasses.replace(SMALL, channels=(8, 16)), 4, 8))
    narrow = dataclasses.replace(SMALL, text_width=16)
    with pytest.raises(UserError, match="differs in"):
        start_from(build_unet(SMALL, 4, 8), build_unet(narrow, 4, 8))
