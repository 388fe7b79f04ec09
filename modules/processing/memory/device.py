"""The device that models run on. Known by name without torch until torch is there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from modules.core.lazy import lazy_import

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")

_choice = "auto"


def use_device(wish: str) -> None:
    """Choose "auto", "cpu", "cuda", "cuda:1" or "mps" for this process, before a model is loaded."""
    global _choice
    _choice = wish


def select_device() -> torch.device:
    """The chosen device; the best there is for "auto"."""
    if _choice != "auto":
        return torch.device(_choice)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def device_name() -> str:
    """ "cpu", "mps" or "cuda: NVIDIA ...". Imports no torch: before it is there, a driver in the system decides."""
    if _choice == "cpu":
        return "cpu"
    if getattr(sys.modules.get("torch"), "cuda", None) is None:
        return _choice if _choice != "auto" else _guess()
    device = select_device()
    return f"cuda: {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def _guess() -> str:
    import platform
    from importlib.metadata import PackageNotFoundError, version
    from pathlib import Path

    try:
        processor_only = "+cpu" in version("torch")
    except PackageNotFoundError:
        processor_only = True
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return "mps"
    driver = Path("/proc/driver/nvidia/version").exists() or Path("C:/Windows/System32/nvcuda.dll").exists()
    return "cuda" if driver and not processor_only else "cpu"
