"""How near a picture comes to another: PSNR and SSIM. Pictures are RGB float in [-1, 1], [B, 3, H, W]."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW, DEVIATION = 11, 1.5
K1, K2 = 0.01, 0.03


def psnr(output: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each picture in dB, [B]."""
    return 10 * torch.log10(4 / (output - target).square().mean((1, 2, 3)))  # 2 from black to white


def ssim(output: Tensor, target: Tensor) -> Tensor:
    """Structural similarity of each picture, at most 1, [B]. At least 11x11 pixels.

    Wang et al. 2004 with its Gaussian window, by colour channel, over the places where the window fits.
    """
    output, target = (output + 1) / 2, (target + 1) / 2  # its term of brightness means light, from 0 on
    offsets = torch.arange(WINDOW, dtype=target.dtype, device=target.device) - WINDOW // 2
    line = torch.exp(-offsets.square() / (2 * DEVIATION**2))
    line = line / line.sum()

    def local(values: Tensor) -> Tensor:
        channels = values.shape[1]
        down = line.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
        return F.conv2d(F.conv2d(values, down, groups=channels), down.transpose(2, 3), groups=channels)

    mean_x, mean_y = local(output), local(target)
    variance_x, variance_y = local(output.square()) - mean_x.square(), local(target.square()) - mean_y.square()
    covariance = local(output * target) - mean_x * mean_y
    c1, c2 = K1**2, K2**2
    brightness = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return (brightness * structure).mean((1, 2, 3))
