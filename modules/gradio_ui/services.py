"""What the page needs from the rest of the program, handed in once by webui.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from modules.core.options import Options
from modules.gradio_ui.cards import CardShelf
from modules.gradio_ui.state import UiState

if TYPE_CHECKING:
    from modules.core.paths import Paths
    from modules.core.settings import Settings


@dataclass(frozen=True, kw_only=True)
class UiServices:
    """`engine`: modules.processing.engine.Engine. `queue`: modules.jobs' JobQueue. `options`: the command line."""

    engine: Any
    queue: Any
    settings: Settings
    paths: Paths
    options: Options = field(default_factory=Options)

    @cached_property
    def state(self) -> UiState:
        """What was typed in all tabs: one file, one writer."""
        return UiState(self.paths.data / "ui-state.json")

    @cached_property
    def cards(self) -> CardShelf:
        """The extra-networks browser's."""
        return CardShelf(self)
