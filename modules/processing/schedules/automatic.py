"""The model's own: time steps evenly spaced from the last to the first, as k-diffusion's get_sigmas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.core.lazy import lazy_import
from modules.processing.schedules import Span, register_schedule

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")


@register_schedule("Uniform", name="uniform", order=10)
@register_schedule("Automatic", name="automatic", order=0)
def automatic(steps: int, span: Span) -> torch.Tensor:
    """Even in time steps, T - 1 down to 0."""
    t = torch.linspace(len(span.table.sigmas) - 1, 0, steps)
    return torch.cat([span.table.t_to_sigma(t), torch.zeros(1)])
