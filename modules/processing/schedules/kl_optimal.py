"""KL optimal steps (Align Your Steps, arXiv:2404.14507, equation 18): even in arctan sigma."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from modules.core.lazy import lazy_import
from modules.processing.schedules import Span, register_schedule

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")


@register_schedule("KL Optimal", name="kl_optimal", order=60)
def kl_optimal(steps: int, span: Span) -> torch.Tensor:
    """Tangents of an even ramp from arctan(sigma_max) to arctan(sigma_min)."""
    ramp = torch.arange(steps) / max(steps - 1, 1)
    sigmas = (ramp * math.atan(span.sigma_min) + (1 - ramp) * math.atan(span.sigma_max)).tan()
    return torch.cat([sigmas, torch.zeros(1)])
