"""GFPGAN and CodeFormer out of their files, by spandrel."""

from __future__ import annotations

import importlib
from pathlib import Path

from torch import Tensor

from modules.core.errors import ModelError
from modules.processing.faces import Draw
from modules.processing.memory import select_device
from modules.processing.models.weights import Weights
from modules.processing.upscalers.load import read_by_spandrel


def load_face_network(name: str, path: Path, package: str, allow_pickle: bool) -> Draw:
    """ModelError says what is wrong with the file, or which package is missing. `package`: adds to spandrel's."""
    weights = Weights.open(path, allow_pickle=allow_pickle)
    if package:
        try:
            importlib.import_module(package).install(ignore_duplicates=True)
        except ImportError as error:
            raise ModelError(
                f"{name} is read by the packages spandrel and {package}.",
                hint=f"Install them: pip install spandrel {package} ({error}).",
            ) from error
    found = read_by_spandrel(path, weights, f"{name} is a network that Easel does not read by itself.")
    if found.architecture.name != name:
        raise ModelError(f"{path.name} is {found.architecture.name}, not {name}.", hint="Another file is needed.")
    device = select_device()
    module = found.to(device).eval().model

    def draw(x: Tensor, weight: float) -> Tensor:
        x = x.to(device)
        if name == "CodeFormer":
            return module(x, weight=weight, adain=True)[0]
        return module(x, return_rgb=False)[0]

    return draw
