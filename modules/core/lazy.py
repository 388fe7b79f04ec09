"""Modules that are imported at their first use, so that the page is served before torch is there.

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any


class _LazyModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


def lazy_import(name: str) -> ModuleType:
    """A stand-in for the module `name`; its first attribute access imports the real one."""
    return _LazyModule(name)
