"""Text to image: start from noise alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.processing.stages.condition import blank_condition
from modules.processing.tasks import Start

if TYPE_CHECKING:
    from modules.processing.models.loader import LoadedModel
    from modules.processing.plan import Plan


def begin(plan: Plan, model: LoadedModel) -> Start:
    return Start(seen=blank_condition(model, plan.canvas))
