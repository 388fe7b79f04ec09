"""diffusers' schedulers as oracles, where their arithmetic is the same as ours, on Gaussian data N(mu, c^2)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    LMSDiscreteScheduler,
    UniPCMultistepScheduler,
)
from torch import Tensor

from modules.processing.samplers import samplers

SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
ALPHAS = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000).double() ** 2, 0)
STEPS = 12


class Gaussian:
    def __init__(self) -> None:
        self.uncond: Tensor | None = None
        self.sigma_table = ((1 - ALPHAS) / ALPHAS) ** 0.5

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        return 0.3 + 0.25 / (0.25 + sigma**2) * (x - 0.3)


def _ours(name: str, sigmas: Tensor, x: Tensor, **knobs: Any) -> Tensor:
    return samplers.get(name).function(Gaussian(), x, sigmas.double(), noise=None, on_step=lambda *_: None, **knobs)


def _start() -> Tensor:
    return torch.randn(1, 4, 3, 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


def _theirs(scheduler: Any, x: Tensor, *, vp: bool) -> Tensor:
    """Their loop; vp: x is sqrt(a) * x0 + sqrt(1 - a) * noise."""
    for i, t in enumerate(scheduler.timesteps):
        sigma = scheduler.sigmas[i].double()
        scale = (1 + sigma**2) ** 0.5 if vp else torch.ones(())
        epsilon = (x * scale - Gaussian()(x * scale, sigma)) / sigma
        x = scheduler.step(epsilon, t, x).prev_sample
    return x


@pytest.mark.parametrize(
    ("name", "scheduler"),
    [
        ("Euler", EulerDiscreteScheduler(**SD, use_karras_sigmas=True)),
        ("Heun", HeunDiscreteScheduler(**SD, use_karras_sigmas=True)),
        ("LMS", LMSDiscreteScheduler(**SD, use_karras_sigmas=True)),
    ],
    ids=["Euler", "Heun", "LMS"],
)
def test_as_in_diffusers_in_sigmas(name: str, scheduler: Any) -> None:
    scheduler.set_timesteps(STEPS)
    sigmas = scheduler.sigmas
    if name == "Heun":  # theirs lists every sigma but the ends twice
        sigmas = torch.cat([sigmas[:1], sigmas[1:-1:2], sigmas[-1:]])
    assert len(sigmas) == STEPS + 1
    x = _start() * sigmas[0]
    theirs = _theirs(scheduler, x.clone(), vp=False)
    torch.testing.assert_close(_ours(name, sigmas, x), theirs, rtol=1e-4, atol=1e-4, check_dtype=False)


@pytest.mark.parametrize(
    ("name", "scheduler", "knobs"),
    [
        ("DPM++ 2M", DPMSolverMultistepScheduler(**SD, use_karras_sigmas=True), {}),
        ("UniPC", UniPCMultistepScheduler(**SD, solver_order=3, solver_type="bh1", use_karras_sigmas=True), {}),
        (
            "UniPC",
            UniPCMultistepScheduler(**SD, solver_order=2, solver_type="bh2", use_karras_sigmas=True),
            {"variant": "bh2", "order": 2},
        ),
    ],
    ids=["DPM++ 2M", "UniPC bh1 3", "UniPC bh2 2"],
)
def test_as_in_diffusers_on_the_vp_scale(name: str, scheduler: Any, knobs: dict[str, Any]) -> None:
    if name == "UniPC":
        scheduler.register_to_config(final_sigmas_type="sigma_min")
    scheduler.set_timesteps(STEPS)
    sigmas = scheduler.sigmas.double()
    x = _start()
    theirs = _theirs(scheduler, x.clone(), vp=True)
    ours = _ours(name, sigmas, x * (1 + sigmas[0] ** 2) ** 0.5, **knobs)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4, check_dtype=False)


def test_ddim_as_in_diffusers() -> None:
    scheduler: Any = DDIMScheduler(**SD, clip_sample=False, set_alpha_to_one=False, steps_offset=1)
    scheduler.set_timesteps(STEPS)
    table = Gaussian().sigma_table
    sigmas = torch.cat([table[scheduler.timesteps], torch.zeros(1)])
    x = _start()
    ours = _ours("DDIM", sigmas, x * (1 + sigmas[0] ** 2) ** 0.5)
    for t in scheduler.timesteps:
        sigma = table[t]
        wide = x * (1 + sigma**2) ** 0.5
        x = scheduler.step((wide - Gaussian()(wide, sigma)) / sigma, t, x).prev_sample
    torch.testing.assert_close(ours, x, rtol=1e-4, atol=1e-4, check_dtype=False)
