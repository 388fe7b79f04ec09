"""Stability AI's generative-models: even in time, the last interval left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.core.lazy import lazy_import
from modules.processing.schedules import Span, register_schedule

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")


@register_schedule("SGM Uniform", name="sgm_uniform", order=50, aliases=("SGMUniform",))
def sgm_uniform(steps: int, span: Span) -> torch.Tensor:
    """Even in time from the first to the last sigma, without the last."""
    table = span.table
    ends = table.sigma_to_t(torch.tensor([span.sigma_max, span.sigma_min]))
    t = torch.linspace(float(ends[0]), float(ends[1]), steps + 1)[:-1]
    return torch.cat([table.t_to_sigma(t), torch.zeros(1)])
