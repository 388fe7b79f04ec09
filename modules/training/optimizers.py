"""The optimizers by name, and what they remember as tensors with names."""

from __future__ import annotations

import importlib

import torch
from torch import Tensor, nn

from modules.training.config import Optimizer


def make_optimizer(settings: Optimizer, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    betas = (settings.beta1, settings.beta2)
    if settings.kind == "adamw8bit":  # the config's check has seen to it that bitsandbytes is there
        bits = importlib.import_module("bitsandbytes.optim")
        return bits.AdamW8bit(parameters, lr=settings.lr, betas=betas, weight_decay=settings.weight_decay)
    return torch.optim.AdamW(parameters, lr=settings.lr, betas=betas, weight_decay=settings.weight_decay, fused=True)


def optimizer_tensors(optimizer: torch.optim.Optimizer, parameters: dict[str, nn.Parameter]) -> dict[str, Tensor]:
    """ "name/exp_avg" and so on. Plain numbers become tensors; tables that parameters share become their own."""
    return {
        f"{name}/{key}": value.clone() if isinstance(value, Tensor) else torch.tensor(value)
        for name, parameter in parameters.items()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, parameters: dict[str, nn.Parameter], tensors: dict[str, Tensor]
) -> None:
    for key, value in tensors.items():
        name, _, part = key.rpartition("/")
        parameter = parameters[name]
        if part == "step" and not value.is_floating_point():  # a plain number in bitsandbytes
            optimizer.state[parameter][part] = int(value)
            continue
        if value.shape == parameter.shape:  # the fused step reads memory in order: the strides must be the parameter's
            value = torch.empty_like(parameter, requires_grad=False, dtype=value.dtype).copy_(value)
        optimizer.state[parameter][part] = value.to(parameter.device)
