"""A model's discrete noise levels, and the way between sigmas and time steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from modules.core.lazy import lazy_import

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")

LAST_ALPHA = 4.8973451890853435e-08  # stands for 0 at the end of zero-SNR schedules, so that sigma is finite


class SigmaTable:
    """sigmas [T], ascending, of a variance-preserving model: sigma = sqrt((1 - a) / a) with a = alphas_cumprod."""

    def __init__(self, alphas_cumprod: torch.Tensor, *, zero_snr: bool = False) -> None:
        alphas = alphas_cumprod.double().cpu()
        if zero_snr:
            alphas = rescale_zero_snr(alphas).clamp(min=LAST_ALPHA)
        self.sigmas = ((1 - alphas) / alphas).sqrt().float()
        self.log_sigmas = self.sigmas.log()

    @property
    def sigma_min(self) -> float:
        return float(self.sigmas[0])

    @property
    def sigma_max(self) -> float:
        return float(self.sigmas[-1])

    def sigma_to_t(self, sigma: torch.Tensor) -> torch.Tensor:
        """Fractional time steps of sigmas, any shape, linear in log sigma between the table's entries; clamped."""
        log_sigma = sigma.detach().float().cpu().clamp(min=1e-10).log()
        low = (torch.searchsorted(self.log_sigmas, log_sigma, right=True) - 1).clamp(0, len(self.sigmas) - 2)
        first, second = self.log_sigmas[low], self.log_sigmas[low + 1]
        share = ((log_sigma - first) / (second - first)).clamp(0, 1)
        return low + share

    def t_to_sigma(self, t: torch.Tensor) -> torch.Tensor:
        """Sigmas of fractional time steps, any shape."""
        t = t.float().cpu().clamp(0, len(self.sigmas) - 1)
        low, high = t.floor().long(), t.ceil().long()
        share = t - low
        return ((1 - share) * self.log_sigmas[low] + share * self.log_sigmas[high]).exp()


def cosine_betas(steps: int) -> torch.Tensor:
    """[steps] float64 of arXiv:2102.09672, eq. 17, at most 0.999; "squaredcos_cap_v2" elsewhere."""
    share = torch.arange(steps + 1, dtype=torch.float64) / steps
    curve = torch.cos((share + 0.008) / 1.008 * math.pi / 2) ** 2
    return (1 - curve[1:] / curve[:-1]).clamp(max=0.999)


def rescale_zero_snr(alphas_cumprod: torch.Tensor) -> torch.Tensor:
    """Shift and scale the root so that the last step is pure noise and the first stays (arXiv:2305.08891, alg. 1)."""
    root = alphas_cumprod.sqrt()
    return ((root - root[-1]) * root[0] / (root[0] - root[-1])).square()
