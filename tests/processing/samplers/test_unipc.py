"""UniPC's own grid of noise levels."""

from __future__ import annotations

import pytest
import torch

from modules.processing.samplers import samplers
from modules.processing.samplers.unipc import unipc_sigmas
from modules.processing.schedules import SigmaOptions, build_sigmas
from modules.processing.schedules.table import SigmaTable

TABLE = SigmaTable(torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000).double() ** 2, 0))


def _time(sigmas: torch.Tensor) -> torch.Tensor:
    """Time of noise levels: log(alphas_cumprod) is linear between k / 1000, k = 1 to 1000."""
    x, y = -torch.log1p(TABLE.sigmas.double() ** 2), torch.arange(1, 1001).double() / 1000
    at = -torch.log1p(sigmas.double() ** 2)
    high = torch.searchsorted(-x, -at).clamp(1, 999)
    return y[high - 1] + (at - x[high - 1]) / (x[high] - x[high - 1]) * (y[high] - y[high - 1])


@pytest.mark.parametrize("steps", [1, 7, 20])
def test_time_uniform_is_even_in_time(steps: int) -> None:
    sigmas = build_sigmas(samplers.get("UniPC"), "Automatic", steps, TABLE, SigmaOptions())
    torch.testing.assert_close(_time(sigmas), torch.linspace(1, 0.001, steps + 1).double(), rtol=0, atol=1e-5)


def test_time_uniform_with_a_step_per_entry_is_the_table() -> None:
    torch.testing.assert_close(unipc_sigmas(999, TABLE, SigmaOptions()), TABLE.sigmas.flip(0), rtol=1e-5, atol=0)


def test_time_quadratic_is_even_in_the_root_of_time() -> None:
    roots = _time(unipc_sigmas(12, TABLE, SigmaOptions(unipc_skip="time_quadratic"))).sqrt()
    torch.testing.assert_close(roots, torch.linspace(1, 0.001**0.5, 13).double(), rtol=0, atol=1e-5)


def test_log_snr_has_equal_ratios() -> None:
    sigmas = unipc_sigmas(12, TABLE, SigmaOptions(unipc_skip="logSNR"))
    ratios = sigmas[1:] / sigmas[:-1]
    torch.testing.assert_close(ratios, ratios[:1].expand(12), rtol=1e-5, atol=0)
    assert (float(sigmas[0]), float(sigmas[-1])) == pytest.approx((TABLE.sigma_max, TABLE.sigma_min), rel=1e-5)
