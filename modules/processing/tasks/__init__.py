"""What differs between the kinds of pictures: how a batch starts and what is done with its pictures. One file each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch
    from PIL import Image

    Finish = Callable[[Sequence[Image.Image], torch.Tensor], list[Image.Image]]


class Blend(Protocol):
    """Puts back what must not change: called with every x0 [B, C, h, w] at sigma [B], and with the last latents."""

    def __call__(self, denoised: torch.Tensor, sigma: torch.Tensor, step: int) -> torch.Tensor: ...

    def only(self, place: int) -> Blend:
        """The same for one picture of the batch."""
        ...


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where one batch begins; None where its kind of picture has no such thing.

    latents: x0 [B, C, h, w] to add noise to. seen: extra channels [B or 1, c, h, w] of inpainting and edit models.
    finish: the batch's pictures of the asked size and their latents -> what is shown.
    """

    latents: torch.Tensor | None = None
    seen: torch.Tensor | None = None
    blend: Blend | None = None
    finish: Finish | None = None

    def only(self, place: int) -> Start:
        """The same for one picture of the batch."""
        rows = slice(place, place + 1)
        return dataclasses.replace(
            self,
            latents=None if self.latents is None else self.latents[rows],
            seen=self.seen if self.seen is None or len(self.seen) == 1 else self.seen[rows],
            blend=self.blend and self.blend.only(place),
        )
