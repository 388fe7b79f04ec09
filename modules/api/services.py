"""What the routes need from the rest of the program, handed in once by webui.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modules.api.control import ServerControl

if TYPE_CHECKING:
    from modules.core.options import Options
    from modules.core.paths import Paths
    from modules.core.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Services:
    """`engine`: modules.processing.engine.Engine. `queue`: modules.jobs.queue.JobQueue."""

    engine: Any
    queue: Any
    settings: Settings
    paths: Paths
    options: Options
    control: ServerControl = field(default_factory=ServerControl)
