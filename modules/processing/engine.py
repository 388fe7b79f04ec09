"""The engine owns what other programs keep in globals: settings, the catalog, the loaded model, hooks, styles.

Made at start without torch; the worker thread imports it. All public methods may be called from any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.processing.progress import Control, Picture, Report, no_report
from modules.processing.requests import Generate

if TYPE_CHECKING:
    from modules.processing.resolve import Plan


@dataclass(frozen=True, kw_only=True)
class EngineStatus:
    """What the model is doing: for the page's chips and its loading state."""

    state: Literal["cold", "loading", "ready", "failed"] = "cold"
    model: str = ""  # title of the loaded or loading checkpoint
    detail: str = ""  # "importing torch", "reading unet", or the error
    bytes: int = 0
    seconds: float = 0.0
    device: str = ""  # "cpu", "cuda: NVIDIA ..."
    mode: str = ""  # memory mode
    memory_bytes: int = 0
    memory_total_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Result:
    """All pictures of a request; `info` is what A1111's API calls info, ready for JSON."""

    pictures: tuple[Picture, ...]
    info: dict[str, object]
    seconds: float
    peak_bytes: int
    interrupted: bool = False


class Engine:
    def __init__(self, paths: Paths, settings: Settings) -> None:
        self.paths = paths
        self.settings = settings

    # engine.catalog: ModelCatalog, engine.styles: StyleBook, engine.hooks: Hooks

    def resolve(self, request: Generate) -> Plan:
        """Decide everything the request left open; UserError names the field that cannot be granted."""
        raise NotImplementedError

    def run(self, request: Generate, *, control: Control | None = None, report: Report = no_report) -> Result:
        """Make the pictures. Called by one worker thread per device."""
        raise NotImplementedError

    def preload(self) -> None:
        """Load the chosen checkpoint now, so that the first picture need not wait. Never raises; see status()."""
        raise NotImplementedError

    def unload(self) -> None:
        """Give the model's memory back."""
        raise NotImplementedError

    def status(self) -> EngineStatus:
        raise NotImplementedError

    def count_tokens(self, prompt: str, styles: tuple[str, ...] = (), *, negative: bool = False) -> tuple[int, int]:
        """Tokens used and the capacity of the chunks they fill: (12, 75)."""
        raise NotImplementedError
