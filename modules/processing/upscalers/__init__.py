"""The upscalers there are: plain ones, and one for each model file."""

from __future__ import annotations

import difflib

from PIL import Image

from modules.core.errors import NotFoundError
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.processing.upscalers.latent import LATENT_MODES
from modules.processing.upscalers.upscaler import Check, Upscaler, no_check

__all__ = ["LATENT_MODES", "Check", "Upscaler", "Upscalers", "no_check"]

PLAIN = (
    Upscaler(name="None", scale=1),
    Upscaler(name="Lanczos", scale=4),  # scale: what A1111's API says of those that know none
    Upscaler(name="Nearest", scale=4, resample=Image.Resampling.NEAREST),
)


class Upscalers:
    """Upscalers by name, the plain ones first. Torch is imported when a model is first used."""

    def __init__(self, paths: Paths, settings: Settings, *, allow_pickle: bool = False) -> None:
        self.paths = paths
        self._settings = settings
        self._allow_pickle = allow_pickle

    def names(self) -> list[str]:
        return [one.name for one in self.all()]

    def all(self) -> list[Upscaler]:
        return list(PLAIN)

    def refresh(self) -> None:
        """Look at the folders again."""

    def find(self, name: str) -> Upscaler:
        """By name, without regard to case; NotFoundError has the nearest names."""
        known = {one.name.casefold(): one for one in self.all()}
        plain = name.strip().casefold()
        if plain in known:
            return known[plain]
        near = difflib.get_close_matches(plain, known, n=3, cutoff=0.5)
        near_names = ", ".join(known[one].name for one in near)
        hint = f"Did you mean {near_names}?" if near else f"There are: {', '.join(self.names())}."
        raise NotFoundError(f"There is no upscaler {name!r}.", hint=hint, field="upscaler")
