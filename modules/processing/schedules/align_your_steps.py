"""Align Your Steps (arXiv:2404.14507): the published levels for 10 steps, log-linear between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.core.lazy import lazy_import
from modules.processing.schedules import Span, register_schedule

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")


SD1 = (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029)
SDXL = (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029)


@register_schedule("Align Your Steps", name="align_your_steps", order=70)
def align_your_steps(steps: int, span: Span) -> torch.Tensor:
    """The table of the model's family, interpolated to the wished number of steps."""
    known = torch.tensor(SDXL if span.options.is_sdxl else SD1, dtype=torch.float64).log()
    place = torch.linspace(0, len(known) - 1, steps, dtype=torch.float64)
    low = place.floor().long().clamp(max=len(known) - 2)
    sigmas = (known[low] + (place - low) * (known[low + 1] - known[low])).exp().float()
    return torch.cat([sigmas, torch.zeros(1)])
