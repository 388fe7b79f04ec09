"""Networks with random weights under each way of naming them, and what they compute, written a second time."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

Pixels = np.ndarray
State = dict[str, Tensor]
NAMINGS = ("real-esrgan", "esrgan", "sequence")


def _conv(rng: torch.Generator, before: int, after: int) -> tuple[Tensor, Tensor]:
    weight = torch.randn(after, before, 3, 3, generator=rng) / math.sqrt(9 * before)
    return weight, torch.randn(after, generator=rng) * 0.1


def make_rrdb(
    naming: str = "real-esrgan", *, width: int = 8, growth: int = 4, blocks: int = 2, ups: int = 2, unshuffle: int = 1
) -> State:
    """The tensors of a small RRDBNet, as files of that naming have them."""
    rng = torch.Generator().manual_seed(7)
    layers = {"first": _conv(rng, 3 * unshuffle**2, width)}
    for n in range(blocks):
        for m in (1, 2, 3):
            for k in range(1, 6):
                layers[f"{n}.{m}.{k}"] = _conv(rng, width + (k - 1) * growth, growth if k < 5 else width)
    layers["trunk"] = _conv(rng, width, width)
    for n in range(ups):
        layers[f"up{n}"] = _conv(rng, width, width)
    layers["hr"], layers["last"] = _conv(rng, width, width), _conv(rng, width, 3)
    names = {key: file_name(naming, key, blocks, ups) for key in layers}
    return {
        f"{names[key]}.{part}": one
        for key, both in layers.items()
        for part, one in zip(("weight", "bias"), both, strict=True)
    }


def file_name(naming: str, layer: str, blocks: int, ups: int) -> str:
    """What a file calls a layer of make_rrdb."""
    tail = {
        "real-esrgan": {"first": "conv_first", "trunk": "conv_body", "hr": "conv_hr", "last": "conv_last"},
        "esrgan": {"first": "conv_first", "trunk": "trunk_conv", "hr": "HRconv", "last": "conv_last"},
        "sequence": {
            "first": "model.0",
            "trunk": f"model.1.sub.{blocks}",
            "hr": f"model.{3 * ups + 2}",
            "last": f"model.{3 * ups + 4}",
        },
    }[naming]
    if layer in tail:
        return tail[layer]
    if layer.startswith("up"):
        n = int(layer[2:])
        return {"real-esrgan": f"conv_up{n + 1}", "esrgan": f"upconv{n + 1}", "sequence": f"model.{3 * n + 3}"}[naming]
    n, m, k = layer.split(".")
    return {
        "real-esrgan": f"body.{n}.rdb{m}.conv{k}",
        "esrgan": f"RRDB_trunk.{n}.RDB{m}.conv{k}",
        "sequence": f"model.1.sub.{n}.RDB{m}.conv{k}.0",
    }[naming]


def make_compact(*, width: int = 6, convs: int = 2, scale: int = 2) -> State:
    """The tensors of a small SRVGGNetCompact."""
    rng = torch.Generator().manual_seed(8)
    state: State = {}
    widths = [3, *[width] * (convs + 1), 3 * scale**2]
    for n, (before, after) in enumerate(pairwise(widths)):
        state[f"body.{2 * n}.weight"], state[f"body.{2 * n}.bias"] = _conv(rng, before, after)
        if n < convs + 1:
            state[f"body.{2 * n + 1}.weight"] = torch.rand(after, generator=rng) * 0.5
    return state


def slow_conv(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """[C, h, w] -> [after, h, w]: nine shifted copies of the padded picture, each times its matrix."""
    _, height, width = x.shape
    padded = torch.zeros(x.shape[0], height + 2, width + 2, dtype=x.dtype)
    padded[:, 1:-1, 1:-1] = x
    total = bias[:, None, None].expand(-1, height, width).clone()
    for dy in range(3):
        for dx in range(3):
            total += torch.einsum("oc,chw->ohw", weight[:, :, dy, dx], padded[:, dy : dy + height, dx : dx + width])
    return total


def _leaky(x: Tensor) -> Tensor:
    return torch.where(x < 0, x * 0.2, x)


def _doubled(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, 1).repeat_interleave(2, 2)


def compute_rrdb(state: State, naming: str, x: Tensor, *, blocks: int, ups: int, unshuffle: int) -> Tensor:
    """[3, h, w] in float64, straight from the papers' figures."""

    def conv(layer: str, x: Tensor) -> Tensor:
        name = file_name(naming, layer, blocks, ups)
        return slow_conv(x, state[f"{name}.weight"].double(), state[f"{name}.bias"].double())

    # channel-major: all places of a square of red, then of green, then of blue
    x = torch.stack(
        [x[c, i::unshuffle, j::unshuffle] for c in range(3) for i in range(unshuffle) for j in range(unshuffle)]
    )
    first = conv("first", x)
    whole = first
    for n in range(blocks):
        block = whole
        for m in (1, 2, 3):
            x1 = _leaky(conv(f"{n}.{m}.1", block))
            x2 = _leaky(conv(f"{n}.{m}.2", torch.cat([block, x1])))
            x3 = _leaky(conv(f"{n}.{m}.3", torch.cat([block, x1, x2])))
            x4 = _leaky(conv(f"{n}.{m}.4", torch.cat([block, x1, x2, x3])))
            block = conv(f"{n}.{m}.5", torch.cat([block, x1, x2, x3, x4])) * 0.2 + block
        whole = block * 0.2 + whole
    out = first + conv("trunk", whole)
    for n in range(ups):
        out = _leaky(conv(f"up{n}", _doubled(out)))
    return conv("last", _leaky(conv("hr", out)))


def compute_compact(state: State, x: Tensor, *, convs: int, scale: int) -> Tensor:
    """[3, h, w] in float64."""
    y = x
    for n in range(convs + 2):
        y = slow_conv(y, state[f"body.{2 * n}.weight"].double(), state[f"body.{2 * n}.bias"].double())
        if n < convs + 1:
            slopes = state[f"body.{2 * n + 1}.weight"].double()[:, None, None]
            y = torch.where(y < 0, y * slopes, y)
    out = torch.empty(3, x.shape[1] * scale, x.shape[2] * scale, dtype=x.dtype)
    for c in range(3):
        for i in range(scale):
            for j in range(scale):
                out[c, i::scale, j::scale] = y[c * scale**2 + i * scale + j] + x[c]
    return out


def photo(width: int, height: int) -> Pixels:
    """RGB uint8 [h, w, 3] with smooth and sharp places."""
    rng = np.random.default_rng(width * 1000 + height)
    y, x = np.mgrid[:height, :width]
    smooth = np.stack([x * 255 / max(width - 1, 1), y * 255 / max(height - 1, 1), (x + y) % 64 * 4], -1)
    sharp = rng.integers(0, 256, (height, width, 3))
    return np.where(rng.random((height, width, 1)) < 0.1, sharp, smooth).astype(np.uint8)
