"""The autoencoder in tiles, in memory that hardly grows with the picture.

Three things tie a pixel to the whole picture. Convolutions reach over a tile's edge: every tile is cut with a margin as
wide as they reach. Self-attention sees everything: it and all that runs at the latents' own size is computed for the
whole picture, a band at a time. Group norms need the mean and the variance of the whole picture: small patches spread
over it go through the network together and tell them, once for all tiles. So tiles agree where they meet, without
blending, and differ from the untiled picture only by what the patches missed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch.nn import functional

from modules.processing.progress import Check, no_check

from .tiling import wrapped_axes

SAMPLES = 12  # patches along each side that tell the statistics, of SAMPLE latents each
SAMPLE = 4
BAND = 2**15  # pixels of a whole map that are worked on at once
Norm = torch.nn.GroupNorm
Act = Callable[[torch.Tensor], torch.Tensor]
Statistics = tuple[torch.Tensor, torch.Tensor]  # mean and variance of each group, [G] float64


class Span(NamedTuple):
    """A stretch of rows or columns; one that wraps around may begin below 0 or end beyond the size."""

    start: int
    stop: int

    def grown(self, margin: int, size: int, wrap: bool) -> Span:
        grown = Span(self.start - margin, self.stop + margin)
        return grown if wrap else Span(max(0, grown.start), min(size, grown.stop))

    def within(self, other: Span) -> slice:
        return slice(self.start - other.start, self.stop - other.start)


@dataclass(frozen=True, kw_only=True)
class Patch:
    """A part of a map of `size`, which lies at `rows` and `columns`. `core`: the part of it that is no margin."""

    x: torch.Tensor
    rows: Span
    columns: Span
    core: tuple[Span, Span]
    size: tuple[int, int]
    weight: float = 1.0  # in the statistics

    @property
    def inner(self) -> torch.Tensor:
        return self.x[:, :, self.core[0].within(self.rows), self.core[1].within(self.columns)]


def tiled_decode(vae: Any, latents: torch.Tensor, tile: int, check: Check = no_check) -> torch.Tensor:
    """latents [1, C, h, w] as the VAE takes them -> pixels [1, 3, H, W]. tile: pixels of a tile's side."""
    decoder = vae.decoder
    work = _Work(wrapped_axes(decoder), check)
    x = latents if vae.post_quant_conv is None else vae.post_quant_conv(latents)
    first, *others = decoder.up_blocks
    whole = work.middle(decoder.mid_block, [_whole(decoder.conv_in(x))])
    for resnet in first.resnets:
        whole = work.resnet(resnet, whole)

    def rest(patches: list[Patch]) -> list[Patch]:
        patches = work.enlarge(first, patches)
        for block in others:
            for resnet in block.resnets:
                patches = work.resnet(resnet, patches)
            patches = work.enlarge(block, patches)
        return work.convolve(patches, decoder.conv_out, decoder.conv_norm_out, decoder.conv_act)

    factor = 2 ** sum(bool(block.upsamplers) for block in decoder.up_blocks)
    margin = 1
    for block in reversed(others):
        margin = (-(-(margin + 1) // 2) if block.upsamplers else margin) + 2 * len(block.resnets)
    margin = -(-(margin + 1) // 2) if first.upsamplers else margin
    return _tiled(work, rest, whole[0].x, tile=max(1, tile // factor), margin=margin, align=1)


def tiled_encode(vae: Any, pixels: torch.Tensor, tile: int, check: Check = no_check) -> torch.Tensor:
    """pixels [1, 3, H, W] in [-1, 1] -> mean and log variance of the latents, [1, 2C, h, w]."""
    encoder = vae.encoder
    work = _Work(wrapped_axes(encoder), check)
    smaller = [block for block in encoder.down_blocks if block.downsamplers]

    def begin(patches: list[Patch]) -> list[Patch]:
        patches = work.convolve(patches, encoder.conv_in)
        for block in smaller:
            for resnet in block.resnets:
                patches = work.resnet(resnet, patches)
            patches = work.shrink(block, patches)
        return patches

    factor = 2 ** len(smaller)
    margin = 1 + sum(2**index * (2 * len(block.resnets) + 2) for index, block in enumerate(smaller))
    margin = -(-margin // factor) * factor
    x = _tiled(work, begin, pixels, tile=max(1, tile // factor) * factor, margin=margin, align=factor)
    whole = [_whole(x)]
    for block in encoder.down_blocks[len(smaller) :]:
        for resnet in block.resnets:
            whole = work.resnet(resnet, whole)
    whole = work.middle(encoder.mid_block, whole)
    x = work.convolve(whole, encoder.conv_out, encoder.conv_norm_out, encoder.conv_act)[0].x
    return x if vae.quant_conv is None else vae.quant_conv(x)


def _tiled(
    work: _Work,
    function: Callable[[list[Patch]], list[Patch]],
    x: torch.Tensor,
    *,
    tile: int,
    margin: int,
    align: int,
) -> torch.Tensor:
    """The function over tiles of x, whose places and sides are multiples of `align`."""
    size = (x.shape[2], x.shape[3])
    boxes = [(rows, columns) for rows in _spans(size[0], tile, align) for columns in _spans(size[1], tile, align)]
    if len(boxes) > 1:
        function(
            [
                replace(_cut(x, (rows, columns), margin, work.wrap), weight=weight * other)
                for rows, weight in _samples(size[0], SAMPLE * align, align)
                for columns, other in _samples(size[1], SAMPLE * align, align)
            ]
        )
    out: torch.Tensor | None = None
    for box in boxes:
        work.check()
        (found,) = function([_cut(x, box, margin, work.wrap)])
        if out is None:
            out = x.new_empty(1, found.x.shape[1], *found.size)
        rows, columns = found.core
        out[:, :, rows.start : rows.stop, columns.start : columns.stop] = found.inner
    assert out is not None
    return out


def _samples(length: int, side: int, align: int) -> list[tuple[Span, float]]:
    """Evenly spread stretches from edge to edge, each with the share of the length that it speaks for."""
    side = min(side, length)
    count = min(SAMPLES, length // side)
    if count < 3:
        return [(Span(0, length), 1.0)]
    starts = [round((length - side) * index / (count - 1) / align) * align for index in range(count)]
    between = (length - 2 * side) / (count - 2)
    return [(Span(at, at + side), side if index in (0, count - 1) else between) for index, at in enumerate(starts)]


def _spans(length: int, side: int, align: int = 1) -> list[Span]:
    """The length in nearly equal parts of about `side`, at multiples of `align`."""
    part = -(-length // max(1, round(length / side)))
    part = -(-part // align) * align
    return [Span(start, min(length, start + part)) for start in range(0, length, part)]


class _Work:
    """The parts of an autoencoder over patches that share their statistics: those of the first call are kept."""

    def __init__(self, wrap: tuple[bool, bool], check: Check) -> None:
        self.wrap = wrap  # top to bottom, left to right
        self.check = check  # between tiles, and between the bands of attention
        self._known: dict[Norm, Statistics] = {}

    def convolve(
        self, patches: Sequence[Patch], convolution: torch.nn.Conv2d, norm: Norm | None = None, act: Act | None = None
    ) -> list[Patch]:
        """Norm, activation and a convolution of 3 x 3; a patch loses the pixel that an edge inside the map spoils."""
        known = None if norm is None else self._statistics(norm, patches)

        def work(x: torch.Tensor) -> torch.Tensor:
            x = x if norm is None or known is None else _affine(norm, x, known)
            return convolution(x if act is None else act(x))

        return [self._without_edge(replace(one, x=_in_bands(work, one.x, self.wrap[0]))) for one in patches]

    def resnet(self, resnet: Any, patches: list[Patch]) -> list[Patch]:
        inner = self.convolve(patches, resnet.conv1, resnet.norm1, resnet.nonlinearity)
        outer = self.convolve(inner, resnet.conv2, resnet.norm2, resnet.nonlinearity)
        for before, after in zip(patches, outer):
            skip = before.x[:, :, after.rows.within(before.rows), after.columns.within(before.columns)]
            after.x.add_(skip if resnet.conv_shortcut is None else resnet.conv_shortcut(skip))
            after.x.div_(resnet.output_scale_factor)
        return outer

    def middle(self, block: Any, whole: list[Patch]) -> list[Patch]:
        whole = self.resnet(block.resnets[0], whole)
        for attention, resnet in zip(block.attentions, block.resnets[1:]):
            if attention is not None:
                _attend(attention, whole[0].x, self.check)
            whole = self.resnet(resnet, whole)
        return whole

    def enlarge(self, block: Any, patches: list[Patch]) -> list[Patch]:
        for upsampler in block.upsamplers or ():
            patches = [self._without_edge(_scaled(one, upsampler(one.x), 2)) for one in patches]
        return patches

    def shrink(self, block: Any, patches: list[Patch]) -> list[Patch]:
        """Strided convolutions see the pixels to the right and below, so patches begin at even places."""
        for downsampler in block.downsamplers:
            patches = [_even(one) for one in patches]
            patches = [self._without_edge(_scaled(one, downsampler(one.x), 0.5), begin=0) for one in patches]
        return patches

    def _statistics(self, norm: Norm, patches: Sequence[Patch]) -> Statistics:
        if norm not in self._known:
            sums = torch.zeros(2, norm.num_groups, dtype=torch.float64, device=patches[0].x.device)
            for one in patches:
                mean, variance = _measure(one.inner, norm.num_groups)
                sums += one.weight * torch.stack([mean, variance + mean**2])
            mean, square = sums / sum(one.weight for one in patches)
            self._known[norm] = (mean, square - mean**2)
        return self._known[norm]

    def _without_edge(self, patch: Patch, begin: int = 1) -> Patch:
        """Without the rows and columns beside an edge that is none of the map's."""
        spans = []
        for span, size, wrap in zip((patch.rows, patch.columns), patch.size, self.wrap):
            inside = wrap and span != (0, size)
            first = begin if span.start > 0 or inside else 0
            last = 1 if span.stop < size or inside else 0
            spans.append(Span(span.start + first, span.stop - last))
        return _trimmed(patch, spans[0], spans[1])


def _whole(x: torch.Tensor) -> Patch:
    rows, columns = Span(0, x.shape[2]), Span(0, x.shape[3])
    return Patch(x=x, rows=rows, columns=columns, core=(rows, columns), size=(x.shape[2], x.shape[3]))


def _cut(x: torch.Tensor, core: tuple[Span, Span], margin: int, wrap: tuple[bool, bool]) -> Patch:
    """The core with a margin, which ends at the map's edges or goes on at the other side."""
    size = (x.shape[2], x.shape[3])
    spans = []
    for axis in (0, 1):
        whole = core[axis] == (0, size[axis])
        span = core[axis] if whole else core[axis].grown(margin, size[axis], wrap[axis])
        spans.append(span)
        if span.start >= 0 and span.stop <= size[axis]:
            x = x.narrow(axis + 2, span.start, span.stop - span.start)
        else:
            x = x.index_select(axis + 2, torch.arange(span.start, span.stop, device=x.device) % size[axis])
    return Patch(x=x, rows=spans[0], columns=spans[1], core=core, size=size)


def _trimmed(patch: Patch, rows: Span, columns: Span) -> Patch:
    x = patch.x[:, :, rows.within(patch.rows), columns.within(patch.columns)]
    return replace(patch, x=x, rows=rows, columns=columns)


def _scaled(patch: Patch, x: torch.Tensor, scale: float) -> Patch:
    def times(span: Span) -> Span:
        return Span(int(span.start * scale), int(span.stop * scale))

    size = (int(patch.size[0] * scale), int(patch.size[1] * scale))
    core = (times(patch.core[0]), times(patch.core[1]))
    return replace(patch, x=x, rows=times(patch.rows), columns=times(patch.columns), core=core, size=size)


def _even(patch: Patch) -> Patch:
    def even(span: Span) -> Span:
        return Span(span.start + span.start % 2, span.stop - (span.stop - span.start - span.start % 2) % 2)

    return _trimmed(patch, even(patch.rows), even(patch.columns))


def _measure(x: torch.Tensor, groups: int) -> Statistics:
    grouped = x.float().reshape(groups, -1)
    variance, mean = torch.var_mean(grouped, dim=1, correction=0)
    return mean.double(), variance.double()


def _affine(norm: Norm, x: torch.Tensor, known: Statistics) -> torch.Tensor:
    """Group norm with given statistics."""
    mean, variance = known
    each = x.shape[1] // norm.num_groups
    scale = norm.weight.double() * (variance + norm.eps).rsqrt().repeat_interleave(each)
    shift = norm.bias.double() - mean.repeat_interleave(each) * scale
    shape = (1, -1, *[1] * (x.ndim - 2))
    return torch.addcmul(shift.float().view(shape), x.float(), scale.float().view(shape)).to(x.dtype)


def _in_bands(work: Act, x: torch.Tensor, wrap: bool) -> torch.Tensor:
    """A 3 x 3 convolution over a large map, some rows at a time."""
    height, width = x.shape[2:]
    bands = _spans(height, max(1, BAND // width))
    if len(bands) == 1:
        return work(x)
    out: torch.Tensor | None = None
    for rows in bands:
        patch = _cut(x, (rows, Span(0, width)), 1, (wrap, False))
        found = work(patch.x)[:, :, rows.within(patch.rows)]
        if out is None:
            out = found.new_empty(1, found.shape[1], height, width)
        out[:, :, rows.start : rows.stop] = found
    assert out is not None
    return out


def _attend(attention: Any, x: torch.Tensor, check: Check) -> None:
    """Self-attention with its residual, in place; a band of queries sees the keys of the whole map."""
    channels, pixels = x.shape[1], x.shape[2] * x.shape[3]
    known = _measure(x, attention.group_norm.num_groups)
    flat = x.view(1, channels, pixels)
    heads = attention.heads
    keys, values = (x.new_empty(1, heads, pixels, channels // heads) for _ in range(2))

    def split(part: torch.Tensor) -> torch.Tensor:
        return part.view(1, -1, heads, channels // heads).transpose(1, 2)

    def normed(span: Span) -> torch.Tensor:
        return _affine(attention.group_norm, flat[:, :, span.start : span.stop], known).transpose(1, 2)

    for span in _spans(pixels, BAND // 2):
        part = normed(span)
        keys[:, :, span.start : span.stop] = split(attention.to_k(part))
        values[:, :, span.start : span.stop] = split(attention.to_v(part))
    for span in _spans(pixels, max(1, min(BAND // 2, 2**28 // pixels))):  # at most about 2^28 weights at once
        check()
        found = functional.scaled_dot_product_attention(split(attention.to_q(normed(span))), keys, values)
        found = attention.to_out[0](found.transpose(1, 2).reshape(1, -1, channels))
        flat[:, :, span.start : span.stop] += found.transpose(1, 2)
    x.div_(attention.rescale_output_factor)
