"""The top-level tabs, one file each; a tab exists by its file registering itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from modules.core.registry import Registry
from modules.gradio_ui.services import UiServices


@dataclass(frozen=True)
class Tab:
    """`build` is called inside the tab's own column. Tabs stand in order of `order`."""

    id: str
    order: int
    build: Callable[[UiServices], None]


tabs: Registry[Tab] = Registry("tab")
