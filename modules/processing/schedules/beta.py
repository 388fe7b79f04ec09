"""Time steps at the quantiles of a beta distribution (arXiv:2407.12173)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.core.lazy import lazy_import
from modules.processing.schedules import Span, register_schedule

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")


@register_schedule("Beta", name="beta", order=110)
def beta(steps: int, span: Span) -> torch.Tensor:
    """Denser at both ends of the time axis, by the shape of Beta(alpha, beta)."""
    import numpy as np
    from scipy import stats

    levels = 1 - np.linspace(0, 1, steps)
    ends = span.table.sigma_to_t(torch.tensor([span.sigma_min, span.sigma_max]))
    quantiles = stats.beta.ppf(levels, span.options.beta_alpha, span.options.beta_beta)
    t = torch.tensor(float(ends[0]) + quantiles * float(ends[1] - ends[0]), dtype=torch.float32)
    return torch.cat([span.table.t_to_sigma(t), torch.zeros(1)])
