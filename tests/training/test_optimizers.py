from __future__ import annotations

from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import nn

from modules.training.config import Config, Optimizer
from modules.training.optimizers import make_optimizer, optimizer_tensors, restore_optimizer
from modules.training.player import Player


def test_memory_comes_back_with_the_strides_of_its_parameter(tmp_path: Path) -> None:
    """In channels-last order too: the fused step reads memory as it lies."""
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(4, 3, 3, 3).to(memory_format=torch.channels_last))
    first = make_optimizer(Optimizer(), [weight])
    weight.grad = torch.randn_like(weight)
    first.step()
    save_file({k: v.contiguous() for k, v in optimizer_tensors(first, {"w": weight}).items()}, tmp_path / "o")
    other = nn.Parameter(weight.detach().clone(memory_format=torch.preserve_format))
    second = make_optimizer(Optimizer(), [other])
    restore_optimizer(second, {"w": other}, load_file(tmp_path / "o"))
    assert second.state[other]["exp_avg"].stride() == weight.stride()
    weight.grad = torch.randn_like(weight)
    other.grad = weight.grad.clone()
    first.step()
    second.step()
    assert torch.equal(weight, other)


def test_eight_bit_memory_comes_back(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    torch.manual_seed(0)
    weights = {name: nn.Parameter(torch.randn(128, 64)) for name in "ab"}
    others = {name: nn.Parameter(one.detach().clone()) for name, one in weights.items()}
    first, second = (make_optimizer(Optimizer(kind="adamw8bit"), list(some.values())) for some in (weights, others))
    for step in range(4):
        if step == 2:
            save_file(optimizer_tensors(first, weights), tmp_path / "o")
            for name, one in others.items():
                one.data.copy_(weights[name])
            restore_optimizer(second, others, load_file(tmp_path / "o"))
        for name, one in weights.items():
            one.grad = torch.randn_like(one)
            others[name].grad = one.grad.clone()
        first.step()
        if step >= 2:
            second.step()
    assert all(torch.equal(weights[name], others[name]) for name in weights)


def player_of(weight: float, slope: float, config: Config, scaler: torch.amp.GradScaler | None) -> Player:
    """Of one number, whose loss is slope * number."""
    accelerator, module = Accelerator(cpu=True), nn.Linear(1, 1, bias=False)
    accelerator.scaler = scaler
    nn.init.constant_(module.weight, weight)
    return Player("", {"m": module}, lambda *_: ((module.weight * slope).sum(), {}), config, accelerator)


def test_scaled_gradients_are_clipped_at_their_true_size(toy_config: Config) -> None:
    """As with fp16: the step is the same as without a scale."""
    weights = []
    for scaler in (None, torch.amp.GradScaler("cpu", init_scale=1024.0)):
        player = player_of(1.0, 6.0, toy_config, scaler)
        player.learn((0,))
        player.learn((0, 1))
        assert player.gather() == {"loss": 6.0, "norm": 6.0}
        player.update(0.5)
        weights.append(player.parameters["m.weight"].item())
    assert weights == pytest.approx([0.5, 0.5])


def test_overflow_leaves_out_the_step_and_halves_the_scale(toy_config: Config) -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    player = player_of(0.25, 3e38, toy_config, scaler)
    player.learn((0,))
    player.gather()
    player.update(0.5)
    scaler.update()
    assert player.parameters["m.weight"].item() == 0.25
    assert scaler.get_scale() == 512.0
