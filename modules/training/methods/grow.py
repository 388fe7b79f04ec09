"""Go on from a finished model: into the same network, or into one with a level more outside for twice the size.

Progressive growing (arXiv:1710.10196) for U-Nets: a small picture teaches what things look like at a quarter of the
cost, then the outer level learns the details. The new level begins as the mean of four on the way down and as
repetition on the way up, so that the grown network says at first what the old one said.
"""

# diffusers annotates its models too narrowly:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportGeneralTypeIssues=false, reportIndexIssue=false
from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from modules.core.errors import UserError


@torch.no_grad()
def start_from(unet: UNet2DConditionModel, finished: UNet2DConditionModel) -> None:
    """Copy the finished weights into `unet`, which has the same levels, or its outermost level twice."""
    new, old = list(unet.config["block_out_channels"]), list(finished.config["block_out_channels"])
    grown = new == [old[0], *old]
    if not grown and new != old:
        raise UserError(
            f"diffusion.channels is {new}, but the model to start from has {old}.",
            hint=f"Use {old}, or {[old[0], *old]} for twice the size.",
            field="diffusion.channels",
        )
    weights = {_outer_name(name) if grown else name: one for name, one in finished.state_dict().items()}
    load_weights(unet, weights, partly=grown)
    if grown:
        _pass_through(unet)


def load_weights(module: nn.Module, weights: Mapping[str, Tensor], *, partly: bool = False) -> None:
    """Copy them; UserError when they are of another architecture. `partly`: tensors that they lack stay."""
    there = {name: one.shape for name, one in weights.items()}
    here = {name: one.shape for name, one in module.state_dict().items() if name in there or not partly}
    wrong = [name for name in {**there, **here} if there.get(name) != here.get(name)]
    if wrong:
        raise UserError(
            f"The {type(module).__name__} to start from differs in {len(wrong)} tensors, {wrong[0]} first.",
            hint="Use the same [diffusion] section as its own config.toml.",
            field="diffusion.start_from",
        )
    module.load_state_dict(weights, strict=not partly)


def _outer_name(name: str) -> str:
    """Down blocks count from outside, so all move in by one; up blocks count from inside and stay."""
    return re.sub(r"^down_blocks\.(\d+)\.", lambda found: f"down_blocks.{int(found[1]) + 1}.", name)


def _pass_through(unet: UNet2DConditionModel) -> None:
    """Make the outermost level the identity between half and full size; its residual branches end in zeros already."""
    mean_of_four = torch.zeros(3, 3)
    mean_of_four[1:, 1:] = 0.25
    _spread(unet.down_blocks[0].downsamplers[0].conv, mean_of_four)
    centre = torch.zeros(3, 3)
    centre[1, 1] = 1
    _spread(unet.up_blocks[-2].upsamplers[0].conv, centre)
    for resnet in unet.up_blocks[-1].resnets:  # their input is what comes from inside, then the skip connection
        _spread(resnet.conv_shortcut, torch.ones(1, 1))


def _spread(conv: nn.Conv2d, kernel: Tensor) -> None:
    """Each output channel is `kernel` over the input channel of the same number."""
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    for channel in range(conv.out_channels):
        conv.weight[channel, channel] = kernel
