"""Pictures larger than the network can paint: overlapping windows are denoised, and merged at every step.

MultiDiffusion (arXiv:2302.08113) weighs the windows evenly, Mixture of Diffusers (arXiv:2302.02412) by a Gaussian
around each window's middle. Every window predicts its part of the whole picture's x0; where windows overlap, the
weighted mean is taken, and the sampler goes on with the whole picture. The windows stay where they are while things
find their places, and then move at every noise level, so that nothing ends where a window does.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Literal

import torch

from .network import Network
from .tiling import Axes, circular_padding, wrapped_axes

if TYPE_CHECKING:
    from modules.processing.models.loader import LoadedModel
    from modules.processing.requests import Region, Windows
    from modules.processing.schedules.table import SigmaTable

DEVIATION = 0.15  # of the Gaussian, in sides of a window
GOLDEN = 0.618034  # its multiples, modulo 1, never come close to each other
# Sigma below which the windows move: it is decided what is where, and only borders are left to hide. Moved from the
# first step on, and off the network's grid, borders show more (2048x512, 20 pictures: 1.10 of other columns, 1.30 of
# other rows, against 0.98 and 0.99).
SETTLED = 0.3
Place = tuple[int, int]  # top, left: in latents


class WindowedNetwork(Network):
    """A network that sees a large picture through windows. One window that holds the picture changes nothing."""

    def __init__(self, model: LoadedModel, table: SigmaTable, windows: Windows) -> None:
        super().__init__(model, table)
        self.windows = windows
        self.size = windows.size // model.vae_factor
        self.overlap = windows.overlap // model.vae_factor
        self.grid = 2 ** (len(model.unet.config["block_out_channels"]) - 1)  # what the network halves evenly
        self._turn, self._sigma = -1, -1.0  # the noise level of the last call, and how many came before it

    @torch.no_grad()
    def __call__(
        self,
        x: torch.Tensor,
        sigma: torch.Tensor,
        cross: torch.Tensor,
        added: dict[str, torch.Tensor] | None,
        extra: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """As a plain network's."""
        whole = (x.shape[2], x.shape[3])
        size = (min(self.size, whole[0]), min(self.size, whole[1]))
        if size == whole:
            return super().__call__(x, sigma, cross, added, extra)
        wrap = wrapped_axes(self.model.unet)
        share = self._shift(float(sigma[0]))
        rows, columns = (
            window_starts(length, side, self.overlap, wrap=around, shift=share, grid=self.grid)
            for length, side, around in zip(whole, size, wrap)
        )
        places = [(top, left) for top in rows for left in columns]
        weights = window_weights(size, self.windows.weights).to(x)
        total, merged = torch.zeros(whole, dtype=x.dtype, device=x.device), torch.zeros_like(x)
        count = len(x)
        with self._around(size, whole, wrap):
            for start in range(0, len(places), self.windows.batch):
                some = places[start : start + self.windows.batch]
                found = super().__call__(
                    torch.cat([_window(x, place, size) for place in some]),
                    sigma.repeat(len(some)),
                    cross.repeat(len(some), 1, 1),
                    self._added(added, some, size),
                    None if extra is None else torch.cat([_window(extra, place, size) for place in some]),
                )
                for place, one in zip(some, found.split(count)):
                    there = _indices(place, size, whole, x.device)
                    total[there] += weights
                    merged[:, :, there[0], there[1]] += one * weights
        return merged / total

    def _shift(self, sigma: float) -> float:
        """How far the windows of this noise level are moved, in shares of their distance."""
        if sigma != self._sigma:
            self._turn, self._sigma = self._turn + 1, sigma
        return self._turn * GOLDEN % 1 if sigma < SETTLED else 0.0

    def _around(self, size: tuple[int, int], whole: tuple[int, int], wrap: tuple[bool, bool]):
        """Windows are cut around the edges that meet; convolutions wrap only where a window holds a whole side."""
        if wrap == (False, False):
            return nullcontext()
        inner = (wrap[0] and size[0] == whole[0], wrap[1] and size[1] == whole[1])
        names: dict[tuple[bool, bool], Axes | None] = {(True, False): "y", (False, True): "x", (True, True): "both"}
        return circular_padding(self.model.unet, axes=names.get(inner))

    def _added(
        self, added: dict[str, torch.Tensor] | None, places: Sequence[Place], size: tuple[int, int]
    ) -> dict[str, torch.Tensor] | None:
        """SDXL is told where in the picture a window was cut out, and, but for the refiner, how large it is."""
        if added is None:
            return None
        factor = self.model.vae_factor
        ids = []
        for top, left in places:
            one = added["time_ids"].clone()  # height, width, top, left, then the window's height, width or a score
            one[:, 2] += top * factor
            one[:, 3] += left * factor
            if one.shape[1] == 6:
                one[:, 4], one[:, 5] = size[0] * factor, size[1] * factor
            ids.append(one)
        return {"text_embeds": added["text_embeds"].repeat(len(places), 1), "time_ids": torch.cat(ids)}


def window_starts(
    length: int, side: int, overlap: int, *, wrap: bool = False, shift: float = 0.0, grid: int = 1
) -> list[int]:
    """Windows that overlap by at least `overlap`, from edge to edge, or around the edge.

    shift: those inside are moved, by this share of the distance between two. grid: they begin at multiples of it.
    """
    if side >= length:
        return [0]
    step = side - min(overlap, side - 1)
    grid = grid if grid <= step else 1
    step = step // grid * grid
    offset = int(shift * step) // grid * grid
    if wrap:
        return list(range(offset, offset + length, step))
    return sorted({0, *range(step - offset, length - side, step), length - side})


def window_weights(size: tuple[int, int], kind: Literal["mixture", "multi"]) -> torch.Tensor:
    """How much a window counts at each of its places, [h, w], above 0."""
    if kind == "multi":
        return torch.ones(size)
    sides = []
    for length in size:
        away = (torch.arange(length) - (length - 1) / 2) / length
        sides.append(torch.exp(-(away**2) / (2 * DEVIATION**2)))
    return sides[0][:, None] * sides[1][None, :]


def region_shares(regions: Sequence[Region], size: tuple[int, int]) -> torch.Tensor:
    """How much each region's prompt leads at each place, [regions, h, w]; the picture's own prompt has the rest."""
    weights = torch.zeros(len(regions), *size)
    for mask, region in zip(weights, regions):
        rows = slice(round(region.top * size[0]), round(region.bottom * size[0]))
        columns = slice(round(region.left * size[1]), round(region.right * size[1]))
        mask[rows, columns] = region.weight
    return weights / (1 + weights.sum(dim=0))


def _indices(
    place: Place, size: tuple[int, int], whole: tuple[int, int], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    rows = torch.arange(place[0], place[0] + size[0], device=device) % whole[0]
    columns = torch.arange(place[1], place[1] + size[1], device=device) % whole[1]
    return rows[:, None], columns[None, :]


def _window(x: torch.Tensor, place: Place, size: tuple[int, int]) -> torch.Tensor:
    rows, columns = _indices(place, size, (x.shape[2], x.shape[3]), x.device)
    return x[:, :, rows, columns]
