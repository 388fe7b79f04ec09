"""The two networks that are read without help: RRDBNet and SRVGGNetCompact. RGB float [0, 1] in and out."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modules.processing.upscalers.layout import CompactLayout, RrdbLayout

RESIDUAL = 0.2  # how much of each block's answer is added
SLOPE = 0.2  # of the leaky rectifier


class RrdbNet(nn.Module):
    """Residual-in-residual dense blocks, then doublings (Wang et al. 2018, arXiv:1809.00219)."""

    def __init__(self, layout: RrdbLayout) -> None:
        super().__init__()
        width = layout.channels
        self.unshuffle = layout.unshuffle
        self.conv_first = _conv(3 * layout.unshuffle**2, width)
        self.body = nn.ModuleList(_Rrdb(width, layout.growth) for _ in range(layout.blocks))
        self.conv_body = _conv(width, width)
        self.conv_up = nn.ModuleList(_conv(width, width) for _ in range(layout.ups))
        self.conv_hr = _conv(width, width)
        self.conv_last = _conv(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3, h, w] -> [B, 3, scale h, scale w]."""
        height, width = x.shape[-2:]
        scale = 2 ** len(self.conv_up) // self.unshuffle
        first = self.conv_first(F.pixel_unshuffle(_to_multiple(x, self.unshuffle), self.unshuffle))
        deep = first
        for block in self.body:
            deep = block(deep)
        x = first + self.conv_body(deep)
        for conv in self.conv_up:
            x = _leaky(conv(F.interpolate(x, scale_factor=2, mode="nearest")))
        return self.conv_last(_leaky(self.conv_hr(x)))[..., : height * scale, : width * scale]


class _Rrdb(nn.Module):
    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = _Dense(width, growth)
        self.rdb2 = _Dense(width, growth)
        self.rdb3 = _Dense(width, growth)

    def forward(self, x: Tensor) -> Tensor:
        return x + RESIDUAL * self.rdb3(self.rdb2(self.rdb1(x)))


class _Dense(nn.Module):
    """Five convolutions; each sees the answers of all before it."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        for n in range(1, 5):
            self.add_module(f"conv{n}", _conv(width + (n - 1) * growth, growth))
        self.conv5 = _conv(width + 4 * growth, width)

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        for n in range(1, 5):
            seen.append(_leaky(self.get_submodule(f"conv{n}")(torch.cat(seen, 1))))
        return x + RESIDUAL * self.conv5(torch.cat(seen, 1))


class CompactNet(nn.Module):
    """A plain row of convolutions whose answer is added to the picture's own pixels, repeated."""

    def __init__(self, layout: CompactLayout) -> None:
        super().__init__()
        self.scale = layout.scale
        widths = [3, *[layout.channels] * (layout.convs + 1)]
        self.body = nn.Sequential()
        for before, after in pairwise(widths):
            self.body.append(_conv(before, after))
            self.body.append(nn.PReLU(after))
        self.body.append(_conv(layout.channels, 3 * layout.scale**2))

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3, h, w] -> [B, 3, scale h, scale w]."""
        change = F.pixel_shuffle(self.body(x), self.scale)
        return change + F.interpolate(x, scale_factor=self.scale, mode="nearest")


def _conv(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, padding=1)


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE, inplace=True)


def _to_multiple(x: Tensor, of: int) -> Tensor:
    """Padded at the right and the bottom, by reflection where the picture is large enough for it."""
    height, width = x.shape[-2:]
    right, bottom = -width % of, -height % of
    if not right and not bottom:
        return x
    return F.pad(x, (0, right, 0, bottom), "reflect" if right < width and bottom < height else "replicate")
