"""Even in log sigma, and its power of a ramp."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from modules.core.lazy import lazy_import
from modules.processing.schedules import Span, register_schedule

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")


@register_schedule("Exponential", name="exponential", order=30)
def exponential(steps: int, span: Span) -> torch.Tensor:
    """Even in log sigma."""
    return torch.cat([_ramp(steps, span, 1.0), torch.zeros(1)])


@register_schedule("Polyexponential", name="polyexponential", order=40, default_rho=1.0)
def polyexponential(steps: int, span: Span) -> torch.Tensor:
    """Log sigma along a ramp to the power rho."""
    return torch.cat([_ramp(steps, span, span.options.rho or 1.0), torch.zeros(1)])


def _ramp(steps: int, span: Span, rho: float) -> torch.Tensor:
    ramp = torch.linspace(1, 0, steps) ** rho
    low, high = math.log(span.sigma_min), math.log(span.sigma_max)
    return (ramp * (high - low) + low).exp()
