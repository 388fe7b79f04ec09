from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from modules.processing.models.loader import alphas_cumprod
from modules.processing.schedules.table import SigmaTable
from modules.processing.stages.network import Network

DDPM = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


class Oracle(torch.nn.Module):
    """Says exactly what a perfect network of `prediction` says of x_t = signal x0 + noise n, and notes the time."""

    def __init__(self, prediction: str, x0: torch.Tensor, noise: torch.Tensor) -> None:
        super().__init__()
        self.anchor = torch.nn.Parameter(torch.zeros(1))
        self.prediction, self.x0, self.noise = prediction, x0, noise
        self.seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def forward(self, x: torch.Tensor, time: torch.Tensor, **_: Any) -> tuple[torch.Tensor]:
        self.seen.append((x, time))
        if self.prediction == "flow_prediction":
            return (self.noise - self.x0,)
        if self.prediction == "epsilon":
            return (self.noise,)
        abar = alphas_cumprod(DDPM, zero_snr=False)[time.round().long()].float().view(-1, 1, 1, 1)
        return (abar.sqrt() * self.noise - (1 - abar).sqrt() * self.x0,)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "flow_prediction"])
def test_perfect_network_gives_the_picture_back(prediction: str) -> None:
    flow = prediction == "flow_prediction"
    table = SigmaTable(alphas_cumprod({**DDPM, "use_flow_sigmas": flow}, zero_snr=False))
    generator = torch.Generator().manual_seed(0)
    x0, noise = (torch.randn(3, 4, 2, 2, generator=generator) for _ in range(2))
    times = torch.tensor([50, 400, 900])
    sigma = table.sigmas[times]
    unet: Any = Oracle(prediction, x0, noise)
    model: Any = SimpleNamespace(unet=unet, prediction=prediction)
    x = x0 + sigma.view(-1, 1, 1, 1) * noise
    torch.testing.assert_close(Network(model, table)(x, sigma, torch.zeros(3, 1, 1), None), x0, rtol=0, atol=2e-4)
    seen, time = unet.seen[0]
    torch.testing.assert_close(time, times.float(), rtol=0, atol=0.02)
    t = times.view(-1, 1, 1, 1) / 1000
    abar = alphas_cumprod(DDPM, zero_snr=False)[times].float().view(-1, 1, 1, 1)
    mixed = (1 - t) * x0 + t * noise if flow else abar.sqrt() * x0 + (1 - abar).sqrt() * noise
    torch.testing.assert_close(seen, mixed, rtol=0, atol=1e-4)
