from __future__ import annotations

import numpy as np
import torch
from torch.distributions import Normal
from torch.distributions import kl_divergence as reference

from modules.training.coders.kl import build, fold_statistics, kl_divergence
from modules.training.config import Autoencoder as Settings


def test_kl_is_that_of_torch_distributions() -> None:
    torch.manual_seed(0)
    mean, logvar = torch.randn(2, 2, 4, 8, 8, dtype=torch.float64)
    wanted = reference(Normal(mean, (0.5 * logvar).exp()), Normal(torch.zeros_like(mean), torch.ones_like(mean))).mean()
    torch.testing.assert_close(kl_divergence(mean, logvar), wanted)


def test_folding_statistics_keeps_the_reconstruction() -> None:
    torch.manual_seed(0)
    settings = Settings(channels=(8, 16), norm_groups=2)
    plain, folded = build(settings, 16), build(settings, 16)
    folded.load_state_dict(plain.state_dict())
    picture = torch.rand(16, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        latents = plain.encode(picture).latent_dist
        mean, std = latents.mean.mean((0, 2, 3)), latents.mean.std((0, 2, 3))
        fold_statistics(folded, mean, std)
        now = folded.encode(picture).latent_dist
        np.testing.assert_allclose(now.mean.mean((0, 2, 3)), 0, atol=1e-4)
        np.testing.assert_allclose(now.mean.std((0, 2, 3)), 1, atol=1e-4)
        torch.testing.assert_close(now.std * std[None, :, None, None], latents.std, rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(folded.decode(now.mean).sample, plain.decode(latents.mean).sample, rtol=0, atol=1e-3)
