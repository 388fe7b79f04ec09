"""Making latents bigger without decoding them, by A1111's six names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.core.errors import NotFoundError

if TYPE_CHECKING:
    from torch import Tensor

_MODES = {  # name -> torch's mode, antialiased
    "Latent": ("bilinear", False),
    "Latent (antialiased)": ("bilinear", True),
    "Latent (bicubic)": ("bicubic", False),
    "Latent (bicubic antialiased)": ("bicubic", True),
    "Latent (nearest)": ("nearest", False),
    "Latent (nearest-exact)": ("nearest-exact", False),
}
LATENT_MODES = tuple(_MODES)


def upscale_latents(x: Tensor, size: tuple[int, int], name: str) -> Tensor:
    """x: latents [B, C, h, w]. size: (height, width) in latent pixels. Returns [B, C, *size] in x's type."""
    from torch.nn.functional import interpolate

    if name not in _MODES:
        raise NotFoundError(f"There is no latent upscaler {name!r}.", hint=f"There are: {', '.join(LATENT_MODES)}.")
    mode, antialias = _MODES[name]
    return interpolate(x.float(), size=size, mode=mode, antialias=antialias).to(x.dtype)
