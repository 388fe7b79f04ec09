"""Network files of every kind for the tiny SD 1 model, drawn at random."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from modules.processing.networks.names import kohya_name

Make = Callable[..., Path]
UNET = "down_blocks.0.attentions.0.transformer_blocks.0."
LINEAR, CROSS, CONV, NORM = f"{UNET}attn1.to_q", f"{UNET}attn2.to_k", "mid_block.resnets.0.conv1", f"{UNET}norm1"
TEXT = "encoder.layers.0.self_attn.q_proj"


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape))) * 0.2


def lora(path: str, out: int, inputs: int, *, part: Any = "unet", rank: int = 4, seed: int = 0, kernel: int = 0) -> Any:
    name = kohya_name(part, path)
    tail = (kernel, kernel) if kernel else ()
    return {
        f"{name}.lora_down.weight": draw(rank, inputs, *tail, seed=seed),
        f"{name}.lora_up.weight": draw(out, rank, *((1, 1) if kernel else ()), seed=seed + 1),
        f"{name}.alpha": torch.tensor(rank / 2),
    }


def tensors_of(kind: str, seed: int = 0) -> dict[str, torch.Tensor]:
    """A small file of a kind: a linear layer, where it has any a convolution, and the text encoder."""
    name, conv = kohya_name("unet", LINEAR), kohya_name("unet", CONV)
    if kind == "lora":
        text = lora(TEXT, 32, 32, part="text_encoder", seed=seed)
        return {**lora(LINEAR, 32, 32, seed=seed), **lora(CONV, 64, 64, kernel=3, seed=seed), **text}
    if kind == "dora":
        return {**lora(LINEAR, 32, 32, seed=seed), f"{name}.dora_scale": draw(32, 1, seed=seed).abs() + 0.5}
    if kind == "loha":
        return {f"{name}.hada_{one}": draw(*shape, seed=seed) for one, shape in HADA.items()}
    if kind == "lokr":
        return {f"{conv}.lokr_w1": draw(4, 4, seed=seed), f"{conv}.lokr_w2": draw(16, 16, 3, 3, seed=seed)}
    if kind == "ia3":
        return {f"{name}.weight": draw(32, seed=seed), f"{name}.on_input": torch.tensor(0)}
    if kind == "oft":
        return {f"{conv}.oft_blocks": draw(8, 8, 8, seed=seed), f"{name}.oft_blocks": draw(3, 8, 4, 4, seed=seed)}
    if kind == "full":
        return {f"{conv}.diff": draw(64, 64, 3, 3, seed=seed), f"{conv}.diff_b": draw(64, seed=seed)}
    norm = kohya_name("unet", NORM)
    return {f"{norm}.w_norm": draw(32, seed=seed), f"{norm}.b_norm": draw(32, seed=seed + 1)}


HADA = {"w1_a": (32, 4), "w1_b": (4, 32), "w2_a": (32, 4), "w2_b": (4, 32)}
KINDS = ("lora", "dora", "loha", "lokr", "ia3", "oft", "full", "norm")


@pytest.fixture
def make_network(tmp_path: Path) -> Make:
    """make_network(name, tensors, metadata) writes a file into the engine's network folder."""
    folder = tmp_path / "networks"
    folder.mkdir()

    def make(name: str, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> Path:
        path = folder / f"{name}.safetensors"
        save_file(tensors, path, metadata or {})
        return path

    return make
