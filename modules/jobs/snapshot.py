"""A job as it can be looked at now, without watching its events."""

from __future__ import annotations

from dataclasses import dataclass

from modules.processing.progress import Picture, Preview, Progress


@dataclass(frozen=True)
class JobSnapshot:
    """What a job has shown so far. `preview_id` grows with every preview. `pictures`: all, also of finished jobs.

    What the running job was told: `skipped` until it gives up the batch, `stopping` after it, `interrupted` at once.
    """

    progress: Progress | None = None
    preview: Preview | None = None
    preview_id: int = 0
    pictures: tuple[Picture, ...] = ()
    skipped: bool = False
    stopping: bool = False
    interrupted: bool = False
