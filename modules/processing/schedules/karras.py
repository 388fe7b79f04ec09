"""Karras et al. 2022 (arXiv:2206.00364), equation 5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.core.lazy import lazy_import
from modules.processing.schedules import Span, register_schedule

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")


@register_schedule("Karras", name="karras", order=20, default_rho=7.0)
def karras(steps: int, span: Span) -> torch.Tensor:
    """Even in sigma ** (1 / rho)."""
    rho = span.options.rho or 7.0
    ramp = torch.linspace(0, 1, steps)
    low, high = span.sigma_min ** (1 / rho), span.sigma_max ** (1 / rho)
    return torch.cat([(high + ramp * (low - high)) ** rho, torch.zeros(1)])
