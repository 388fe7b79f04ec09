"""Even in time between the ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.core.lazy import lazy_import
from modules.processing.schedules import Span, register_schedule

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")


@register_schedule("Normal", name="normal", order=90)
def normal(steps: int, span: Span) -> torch.Tensor:
    """Time steps even from sigma_max to sigma_min, both taken."""
    ends = span.table.sigma_to_t(torch.tensor([span.sigma_max, span.sigma_min]))
    t = torch.linspace(float(ends[0]), float(ends[1]), steps)
    return torch.cat([span.table.t_to_sigma(t), torch.zeros(1)])
