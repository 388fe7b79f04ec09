"""DDIM's whole time steps as a schedule for any sampler."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.core.lazy import lazy_import
from modules.processing.schedules import Span, register_schedule

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")


@register_schedule("DDIM", name="ddim", order=100)
def ddim(steps: int, span: Span) -> torch.Tensor:
    """Every (T // steps)-th time step from 1, noisiest first."""
    sigmas = span.table.sigmas
    stride = max(len(sigmas) // steps, 1)
    chosen = torch.arange(1, len(sigmas), stride)[:steps]
    return torch.cat([sigmas[chosen].flip(0), torch.zeros(1)])
