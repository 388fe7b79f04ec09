from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from modules.training.coders.coder import Coder
from modules.training.coders.kl import KlCoder, build
from modules.training.coders.vq import VqCoder
from modules.training.config import Autoencoder as Settings
from modules.training.quality import psnr


@pytest.mark.parametrize("kind", [KlCoder, VqCoder])
@torch.no_grad()
def test_an_untrained_coder_gives_the_means_of_blocks(kind: type[KlCoder | VqCoder]) -> None:
    torch.manual_seed(0)
    coder: Coder = kind(Settings(channels=(16, 16, 32), norm_groups=4), 32)
    picture = F.interpolate(torch.rand(2, 3, 8, 8) * 1.6 - 0.8, scale_factor=4)
    latents = coder.encode(picture)
    if isinstance(coder, VqCoder):  # as many codes as latents, so that only the start is measured
        coder.codebook.codes[:128] = latents.permute(0, 2, 3, 1).flatten(0, 2)
    ratios = psnr(coder.decode(latents), picture)
    assert float(ratios.min()) > 18, ratios


def test_fewer_latent_channels_than_colours_start_at_random() -> None:
    vae = build(Settings(channels=(16, 16), norm_groups=4, latent_channels=1), 16)
    assert vae.encode(torch.zeros(1, 3, 16, 16)).latent_dist.mean.shape == (1, 1, 8, 8)
