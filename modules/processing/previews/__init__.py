"""Small pictures of unfinished latents, one method per file: `previews.get(name)(model, latents, paths)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from modules.core.registry import Registry, import_folder

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from modules.core.paths import Paths
    from modules.processing.models.loader import LoadedModel

PreviewMethod = Callable[["LoadedModel", "torch.Tensor", "Paths"], "Image.Image"]  # latents [C, h, w] -> RGB

previews: Registry[PreviewMethod] = Registry("preview method")
import_folder(__name__)
