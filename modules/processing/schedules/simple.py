"""Entries of the model's table at even distances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.core.lazy import lazy_import
from modules.processing.schedules import Span, register_schedule

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")


@register_schedule("Simple", name="simple", order=80)
def simple(steps: int, span: Span) -> torch.Tensor:
    """Table entries at even distances, counted from the noisiest."""
    sigmas = span.table.sigmas
    distance = len(sigmas) / steps
    chosen = [-(1 + int(index * distance)) for index in range(steps)]
    return torch.cat([sigmas[chosen], torch.zeros(1)])
