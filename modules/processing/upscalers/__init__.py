"""The upscalers there are: plain ones, and one for each model file."""

from __future__ import annotations

import difflib
import threading
from typing import TYPE_CHECKING

from PIL import Image

from modules.core.errors import NotFoundError, UserError
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.processing.memory import resolve_mode, select_device
from modules.processing.models.hashes import stamp
from modules.processing.upscalers.files import A1111_NAMES, UpscalerFile, find_files
from modules.processing.upscalers.latent import LATENT_MODES
from modules.processing.upscalers.upscaler import Check, Enlarge, Upscaler, no_check

if TYPE_CHECKING:
    from modules.processing.upscalers.load import Network

__all__ = ["LATENT_MODES", "Check", "Upscaler", "Upscalers", "no_check"]

PLAIN = (
    Upscaler(name="None", scale=1),
    Upscaler(name="Lanczos", scale=4),  # scale: what A1111's API says of those that know none
    Upscaler(name="Nearest", scale=4, resample=Image.Resampling.NEAREST),
)


class Upscalers:
    """Upscalers by name, the plain ones first. One network is kept in memory. Torch is imported at the first use."""

    def __init__(self, paths: Paths, settings: Settings, *, allow_pickle: bool = False) -> None:
        self.paths = paths
        self._settings = settings
        self._allow_pickle = allow_pickle
        self._listing = threading.Lock()
        self._running = threading.Lock()  # one picture at a time
        self._files: list[UpscalerFile] | None = None
        self._kept: tuple[object, Network] | None = None

    def names(self) -> list[str]:
        return [one.name for one in self.all()]

    def all(self, settings: Settings | None = None) -> list[Upscaler]:
        """`settings`: of one run, instead of the stored ones."""
        with self._listing:
            if self._files is None:
                self._files = find_files(self.paths)
            files = self._files
        return [*PLAIN, *(self._of_file(one, settings or self._settings) for one in files)]

    def refresh(self) -> None:
        """Look at the folders again."""
        with self._listing:
            self._files = find_files(self.paths)

    def find(self, name: str, settings: Settings | None = None) -> Upscaler:
        """By name or A1111's name, without regard to case; NotFoundError has the nearest names."""
        known = {one.name.casefold(): one for one in self.all(settings)}
        plain = name.strip().casefold()
        stem = A1111_NAMES.get(plain, plain)
        found = known.get(plain) or known.get(stem.casefold())
        if found is not None:
            return found
        models = [one for one in known if one != "none"]
        near = ", ".join(known[one].name for one in difflib.get_close_matches(plain, models, n=3, cutoff=0.5))
        hint = f"Did you mean {near}?" if near else f"There are: {', '.join(self.names())}."
        if plain in A1111_NAMES:
            hint = f"Put {stem}.safetensors into {self.paths.models / 'ESRGAN'}."
        raise NotFoundError(f"There is no upscaler {name!r}.", hint=hint, field="upscaler")

    def unload(self) -> None:
        """Give the network's memory back."""
        with self._running:
            self._kept = None

    def _of_file(self, file: UpscalerFile, settings: Settings) -> Upscaler:
        return Upscaler(
            name=file.name, scale=file.scale, path=file.path, folder=file.folder, enlarge=self._enlarge(file, settings)
        )

    def _enlarge(self, file: UpscalerFile, settings: Settings) -> Enlarge:
        def enlarge(image: Image.Image, check: Check) -> Image.Image:
            import numpy as np

            from modules.processing.upscalers.tiles import run_tiled

            tile, overlap = (settings[one] for one in file.tile)
            if tile and overlap * 2 > tile:
                raise UserError(
                    f"Tiles of {tile} pixels cannot overlap by {overlap}.",
                    hint=f"Use {tile // 2} or less in Settings > Upscaling.",
                    field=file.tile[1].key,
                )
            with self._running:
                network = self._network(file, settings)
                whole = 0 if not network.tiles else tile
                pixels = run_tiled(
                    np.asarray(image), network.run, network.scale, tile=whole, overlap=overlap, check=check
                )
            return Image.fromarray(pixels)

        return enlarge

    def _network(self, file: UpscalerFile, settings: Settings) -> Network:
        import torch

        from modules.processing.upscalers.load import load_network

        device = select_device()
        half = resolve_mode(settings) == "fp16" and device.type != "cpu"  # bf16 has too few digits for 256 levels
        dtype = torch.float16 if half else torch.float32
        try:
            key = (file.path, stamp(file.path), dtype, device)
        except OSError as error:
            raise NotFoundError(f"{file.path.name} is gone.", hint="Refresh the list of models.") from error
        if self._kept is None or self._kept[0] != key:
            self._kept = None  # room first
            network = load_network(file.path, allow_pickle=self._allow_pickle, dtype=dtype, device=device)
            self._kept = (key, network)
        return self._kept[1]
