"""TAESD, a tiny autoencoder for previews (github.com/madebyollin/taesd), when its file is in models/VAE-approx."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modules.core.errors import ModelError
from modules.core.lazy import lazy_import
from modules.processing.previews import previews

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from modules.core.paths import Paths
    from modules.processing.models.loader import LoadedModel
else:
    torch = lazy_import("torch")

FILES = {"sd1": "taesd_decoder", "sd2": "taesd_decoder", "sdxl": "taesdxl_decoder", "sdxl_refiner": "taesdxl_decoder"}


def decoder_file(model: LoadedModel, folders: list[Path]) -> Path | None:
    """The decoder's file for the model's family: the published name, .safetensors."""
    stem = FILES.get(model.family.name)
    candidates = [folder / f"{stem}.safetensors" for folder in folders] if stem else []
    return next((one for one in candidates if one.is_file()), None)


@previews.register("TAESD")
def taesd(model: LoadedModel, latents: torch.Tensor, paths: Paths) -> Image.Image:
    """latents [C, h, w] -> the decoded picture; without the file the cheap preview."""
    from modules.processing.previews.linear import linear
    from modules.processing.stages.decode import to_images

    path = decoder_file(model, paths.vae_approx)
    if path is None:
        return linear(model, latents, paths)
    with torch.no_grad():
        pixels = _decoder(path)(latents[None].float().cpu())
    return to_images(((pixels + 1) / 2).clamp(0, 1))[0]


@lru_cache(maxsize=2)
def _decoder(path: Path) -> Any:
    """diffusers' decoder with the published weights; theirs counts one layer more, an activation in front."""
    from diffusers import AutoencoderTiny
    from safetensors.torch import load_file

    model = AutoencoderTiny()
    weights = {}
    for name, value in load_file(path).items():
        layer, _, rest = name.partition(".")
        weights[f"layers.{int(layer) - 1}.{rest}"] = value
    missing, unexpected = model.decoder.load_state_dict(weights, strict=False)
    if missing or unexpected:
        raise ModelError(
            f"{path.name} is not a TAESD decoder: {len(missing)} missing, {len(unexpected)} unknown names."
        )
    return model.decoder.eval()
