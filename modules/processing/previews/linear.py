"""RGB as a linear function of the latent channels: free, and right enough to follow a picture.

The factors are the family's until the model has decoded its first picture; from then on a least-squares fit to what
its own VAE made, so that any VAE has a true preview.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from PIL import Image

from modules.core.lazy import lazy_import
from modules.processing.previews import previews

if TYPE_CHECKING:
    import torch

    from modules.core.paths import Paths
    from modules.processing.models.loader import LoadedModel
else:
    torch = lazy_import("torch")

_fits: WeakKeyDictionary[torch.nn.Module, torch.Tensor] = WeakKeyDictionary()  # VAE -> [C + 1, 3]


@previews.register("Approx cheap")
def linear(model: LoadedModel, latents: torch.Tensor, paths: Paths) -> Image.Image:
    """latents [C, h, w] -> picture of w x h pixels."""
    factors = _fits.get(model.vae)
    if factors is None:
        factors = _family_factors(model)
    flat = latents.float().cpu().flatten(1).T  # (h w, C)
    rgb = torch.cat([flat, torch.ones(len(flat), 1)], dim=1) @ factors
    array = (rgb.clamp(0, 1) * 255).round().to(torch.uint8)
    return Image.fromarray(array.view(*latents.shape[1:], 3).numpy(), "RGB")


def _family_factors(model: LoadedModel) -> torch.Tensor:
    known = torch.tensor(model.family.preview_matrix)
    if len(known) == model.latent_channels + 1:
        return known
    spread = torch.zeros(model.latent_channels + 1, 3)
    spread[:3] = torch.eye(3)[: min(3, model.latent_channels)].new_tensor(0.2) * torch.eye(3)
    spread[-1] = 0.5
    return spread


def learn(model: LoadedModel, latents: torch.Tensor, pixels: torch.Tensor) -> None:
    """Fit the factors to one decoded batch. latents: [B, C, h, w]; pixels: RGB [B, 3, H, W] in [0, 1]."""
    if model.vae in _fits:
        return
    small = torch.nn.functional.adaptive_avg_pool2d(pixels.float(), (latents.shape[2], latents.shape[3]))
    inputs = latents.float().movedim(1, -1).reshape(-1, latents.shape[1])
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1)], dim=1)
    targets = small.movedim(1, -1).reshape(-1, 3)
    ridge = 1e-3 * len(inputs) * torch.eye(inputs.shape[1])
    _fits[model.vae] = torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ targets)
