"""Every sampler of the registry, on Gaussian data N(mu, c^2), where the best denoiser and the flow are known:

x0(x, sigma) = mu + c^2 / (c^2 + sigma^2) (x - mu), and (x - mu) / sqrt(c^2 + sigma^2) stays the same along the flow.
"""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from modules.core.settings import Settings
from modules.processing.noise import NoiseSource, NoiseWish
from modules.processing.samplers import Sampler, knob_values, register_sampler, samplers

MU, C = 0.3, 0.5
ALL = [sampler.name for sampler in samplers]
OWN_STEPS = {"DPM fast", "DPM adaptive"}
JUMPS = {"LCM", "TCD"}  # for models that jump to x0
NOISE_WITHOUT_ETA = {"DDPM", "ER SDE", "LCM", "TCD"}
ORDER = {
    "Euler": 1,
    "Euler a": 1,
    "DDIM": 1,
    "DDIM CFG++": 1,
    "Euler CFG++": 1,
    "Heun": 2,
    "DPM2": 2,
    "DPM2 a": 2,
    "Restart": 2,
    "DPM++ 2M": 2,
    "DPM++ 2M SDE": 2,
    "DPM++ 2M SDE Heun": 2,
    "DPM++ 2S a": 2,
    "DPM++ SDE": 2,
    "RES multistep": 2,
    "PLMS": 2,
    "LMS": 2,
    "DEIS": 2,
    "DPM++ 3M SDE": 2.5,
    "UniPC": 2.5,
}


class Gaussian:
    """The denoiser. jump: the flow's end instead of the mean, what a consistency model learns."""

    def __init__(self, *, jump: bool = False) -> None:
        self.uncond: Tensor | None = None
        self.sigma_table = torch.logspace(-3, 1.3, 1000, dtype=torch.float64)
        self.jump = jump
        self.calls = 0

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.calls += 1
        share = C**2 / (C**2 + sigma**2)
        return MU + (share**0.5 if self.jump else share) * (x - MU)


def _sigmas(steps: int, top: float = 10.0) -> Tensor:
    """Even in log sigma; the last 0."""
    return torch.cat([torch.logspace(math.log10(top), -3, steps, dtype=torch.float64), torch.zeros(1)])


def _noise(seeds: list[int], side: int = 4) -> NoiseSource:
    return NoiseSource(seeds, (4, side, side), NoiseWish(), torch.device("cpu"))


def _run(name: str, sigmas: Tensor, noise: NoiseSource, denoiser: Gaussian | None = None, **knobs: Any) -> Tensor:
    """Latents [B, C, h, w] at noise level 0, or the smallest, from the data's own distribution at sigmas[0]."""
    start = MU + noise.initial().double() * (C**2 + sigmas[0] ** 2) ** 0.5
    return samplers.get(name).function(
        denoiser or Gaussian(), start, sigmas, noise=noise, on_step=lambda *_: None, **knobs
    )


def _flow(sigmas: Tensor, noise: NoiseSource, end: float) -> Tensor:
    """Where the flow from the same start ends."""
    return MU + noise.initial().double() * (C**2 + end**2) ** 0.5


def _exact(name: str, sigmas: Tensor, noise: NoiseSource) -> Tensor:
    if samplers.get(name).timesteps:
        end = float(Gaussian().sigma_table[0])
        return _flow(sigmas, noise, end) / (1 + end**2) ** 0.5
    return _flow(sigmas, noise, float(sigmas[-2]) if name in OWN_STEPS else 0.0)


def _still(name: str) -> dict[str, Any]:
    """Knobs that turn fresh noise off."""
    return {"eta": 0.0} if "eta" in samplers.get(name).knobs else {}


def _error(name: str, steps: int, **knobs: Any) -> float:
    sigmas = _sigmas(steps)
    found = _run(name, sigmas, _noise([1]), **_still(name), **knobs)
    return float((found - _exact(name, sigmas, _noise([1]))).abs().max())


@pytest.mark.parametrize("name", sorted(ORDER))
def test_halving_the_step_divides_the_error_as_the_order_says(name: str) -> None:
    knobs = {"s_noise": 0.0} if name == "Restart" else {}
    few, many = (18, 9) if name == "Restart" else (160, 80)
    coarse, fine = _error(name, many, **knobs), _error(name, few, **knobs)
    assert coarse / fine > 0.75 * 2 ** ORDER[name], (name, coarse, fine)


@pytest.mark.parametrize("variant", ["bh1", "bh2", "vary_coeff"])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("lower", [True, False])
def test_unipc_converges_with_every_variant(variant: str, order: int, lower: bool) -> None:
    knobs = {"variant": variant, "order": order, "lower_order_final": lower}
    coarse, fine = _error("UniPC", 40, **knobs), _error("UniPC", 80, **knobs)
    assert fine < 0.01, (coarse, fine)
    assert coarse / fine > 2 ** min(order, 2), (coarse, fine)


def test_dpm_fast_follows_the_flow() -> None:
    assert _error("DPM fast", 120) < _error("DPM fast", 60) / 4 < 0.005


def test_dpm_adaptive_is_as_exact_as_it_is_told() -> None:
    assert _error("DPM adaptive", 20) < 0.1
    assert _error("DPM adaptive", 20, rtol=1e-4, atol=1e-5) < 1e-3


def test_dpm_fast_asks_the_model_once_per_step() -> None:
    for steps in range(1, 14):
        denoiser = Gaussian()
        _run("DPM fast", _sigmas(max(steps, 2))[-steps - 1 :], _noise([1]), denoiser)
        assert denoiser.calls == steps


@pytest.mark.parametrize("name", [name for name in ALL if name not in JUMPS])
def test_many_pictures_have_the_mean_and_spread_of_the_data(name: str) -> None:
    found = _run(name, _sigmas(120), _noise([5], side=64))
    mean, spread = float(found.mean()), float(found.std())
    assert mean == pytest.approx(MU, abs=0.03), name
    assert spread == pytest.approx(C, rel=0.06), name


@pytest.mark.parametrize("name", ["Euler", "Heun", "DPM2"])
def test_churn_keeps_the_distribution_and_changes_the_picture(name: str) -> None:
    calm = _run(name, _sigmas(80), _noise([5], side=64))
    found = _run(name, _sigmas(80), _noise([5], side=64), s_churn=20.0)
    assert float((found - calm).abs().mean()) > 0.1
    assert float(found.mean()) == pytest.approx(MU, abs=0.03)
    assert float(found.std()) == pytest.approx(C, rel=0.08)


@pytest.mark.parametrize("name", ["Euler", "Heun", "DPM2"])
def test_no_churn_outside_its_sigmas(name: str) -> None:
    calm = _run(name, _sigmas(10), _noise([5]))
    assert torch.equal(calm, _run(name, _sigmas(10), _noise([5]), s_churn=20.0, s_tmin=11.0))
    assert torch.equal(calm, _run(name, _sigmas(10), _noise([5]), s_churn=20.0, s_tmax=1e-4))


def test_consistency_model_gives_the_data_in_few_steps() -> None:
    found = _run("LCM", _sigmas(4), _noise([5], side=64), Gaussian(jump=True))
    assert float(found.mean()) == pytest.approx(MU, abs=0.03)
    assert float(found.std()) == pytest.approx(C, rel=0.03)


def test_tcd_lies_between_euler_and_lcm() -> None:
    sigmas = _sigmas(8)
    runs = [_run("TCD", sigmas, _noise([5]), gamma=gamma) for gamma in (0.0, 1.0)]
    torch.testing.assert_close(runs[0], _run("Euler", sigmas, _noise([5])))
    torch.testing.assert_close(runs[1], _run("LCM", sigmas, _noise([5])))


@pytest.mark.parametrize(
    ("noisy", "calm"),
    [
        ("Euler a", "Euler"),
        ("DPM2 a", "DPM2"),
        ("DPM++ 2M SDE", "DPM++ 2M"),
        ("DPM++ SDE", "DPM++ 2S a"),
        ("Euler CFG++", "Euler"),
        ("DDIM CFG++", "DDIM"),
    ],
)
def test_without_eta_the_noisy_is_the_calm_one(noisy: str, calm: str) -> None:
    sigmas = _sigmas(12)
    found, expected = (_run(name, sigmas, _noise([5]), **_still(name)) for name in (noisy, calm))
    torch.testing.assert_close(found, expected)


def test_ddim_is_euler_down_to_the_smallest_sigma() -> None:
    sigmas, end = _sigmas(12), Gaussian().sigma_table[0]
    flat = torch.cat([sigmas[:-2], sigmas[-2:-1] * 2, end[None]])
    found = _run("DDIM", torch.cat([flat[:-1], torch.zeros(1)]), _noise([5]))
    torch.testing.assert_close(found, _run("Euler", flat, _noise([5])) / (1 + end**2) ** 0.5)


def test_ddpm_is_euler_a_at_eta_1() -> None:
    torch.testing.assert_close(_run("DDPM", _sigmas(9), _noise([5])), _run("Euler a", _sigmas(9), _noise([5])))


def test_cfgpp_puts_back_the_noise_of_the_negative() -> None:
    denoiser = Gaussian()
    denoiser.uncond = torch.zeros(1, 4, 4, 4, dtype=torch.float64)
    x = torch.full((1, 4, 4, 4), 8.0, dtype=torch.float64)
    seen: list[Tensor] = []
    sigmas = torch.tensor([4.0, 2.0, 0.0], dtype=torch.float64)
    function = samplers.get("Euler CFG++").function
    function(denoiser, x, sigmas, noise=_noise([1]), on_step=lambda i, x, sigma, d: seen.append(x))
    torch.testing.assert_close(seen[0], Gaussian()(x, sigmas[0]) + 2.0 * (x / 4.0))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("steps", [1, 2, 20, 37])
def test_every_step_is_told_once(name: str, steps: int) -> None:
    told: list[int] = []
    sigmas, denoiser, x = _sigmas(max(steps, 2))[-steps - 1 :], Gaussian(), torch.ones(1, 4, 4, 4).double()
    found = samplers.get(name).function(
        denoiser, x, sigmas, noise=_noise([1]), on_step=lambda i, x, sigma, denoised: told.append(i)
    )
    assert found.isfinite().all()
    assert found.shape == x.shape
    if name not in OWN_STEPS:
        assert told == list(range(steps))
    else:
        assert told == sorted(told)
        assert max(told, default=0) <= steps - 1


@pytest.mark.parametrize("name", [name for name in ALL if name != "DPM adaptive"])
def test_picture_of_a_batch_is_the_picture_alone(name: str) -> None:
    both, alone = (_run(name, _sigmas(24), _noise(seeds)) for seeds in ([3, 4], [4]))
    torch.testing.assert_close(both[1:], alone)


@pytest.mark.parametrize("name", ALL)
def test_half_of_the_digits_give_the_same_picture(name: str) -> None:
    runs = []
    for kind in (torch.float32, torch.float64):
        noise, sigmas = _noise([3]), _sigmas(12).to(kind)
        start = (MU + noise.initial() * 10).to(kind)
        runs.append(samplers.get(name).function(Gaussian(), start, sigmas, noise=noise, on_step=lambda *_: None))
    assert runs[0].dtype == torch.float32
    torch.testing.assert_close(runs[0].double(), runs[1], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("sampler", list(samplers), ids=lambda sampler: sampler.name)
def test_knobs_are_arguments_and_settings(sampler: Sampler) -> None:
    values = knob_values(sampler, Settings(), {})
    assert set(values) == set(sampler.knobs)
    accepted = inspect.signature(sampler.function).parameters
    assert set(values) <= set(accepted)


def test_sampler_registered_late_is_found() -> None:
    register_sampler("Late one", order=999, aliases=("k_late",))(samplers.get("Euler").function)
    try:
        assert samplers.get("k_late").name == "Late one"
    finally:
        samplers.remove("Late one")
