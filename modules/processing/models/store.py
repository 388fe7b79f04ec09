"""The owner of all weights: keeps what is in memory, and lets go of what was not used longest."""

from __future__ import annotations

import gc
import threading
from collections import OrderedDict
from collections.abc import Callable

import torch

from modules.core.settings import Settings
from modules.processing import options
from modules.processing.memory import memory_modes, select_device
from modules.processing.models.catalog import ModelCatalog, ModelFile
from modules.processing.models.loader import LoadedModel, load_checkpoint

Listener = Callable[[str, str], None]  # ("loading" | "ready" | "unloaded", title)


class ModelStore:
    """One checkpoint in memory, or as many as the setting says. Safe to call from any thread."""

    def __init__(self, catalog: ModelCatalog, settings: Settings, *, allow_pickle: bool = False) -> None:
        self.catalog = catalog
        self._settings = settings
        self._allow_pickle = allow_pickle
        self._lock = threading.RLock()
        self._models: OrderedDict[tuple[object, ...], LoadedModel] = OrderedDict()
        self._listeners: list[Listener] = []

    def load(self, file: ModelFile, vae_file: ModelFile | None, mode: str) -> LoadedModel:
        """The model in memory, read if need be. Others make room before it is read, not after."""
        with self._lock:
            name = memory_modes.canonical(mode)
            key = (file.path, file.size, file.mtime, vae_file and (vae_file.path, vae_file.mtime), name)
            if key in self._models:
                self._models.move_to_end(key)
                return self._models[key]
            self._shrink(self._settings[options.CHECKPOINTS_LIMIT] - 1)
            self._tell("loading", file.title)
            device = select_device()
            model = load_checkpoint(
                file, memory_modes.get(name), device, vae_file=vae_file, allow_pickle=self._allow_pickle
            )
            self._models[key] = model
            self._tell("ready", file.title)
            return model

    @property
    def loaded(self) -> list[LoadedModel]:
        """The most recently used first."""
        with self._lock:
            return list(reversed(self._models.values()))

    def unload(self) -> None:
        """Give all memory back."""
        with self._lock:
            self._shrink(0)

    def on_state(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def _shrink(self, count: int) -> None:
        gone = False
        while len(self._models) > count:
            _, model = self._models.popitem(last=False)
            self._tell("unloaded", model.file.title)
            del model
            gone = True
        if gone:
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _tell(self, state: str, title: str) -> None:
        for listener in list(self._listeners):
            listener(state, title)
