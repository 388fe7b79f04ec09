"""Soft inpainting: grey of the mask decides for how long the original leads (differential diffusion, arXiv:2306.00950).

At every step the painter's and the original's latents are mixed, more of the original the greyer the mask; at the end
what really changed decides how much of the painting covers the original picture. Arithmetic and names are A1111's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from modules.imaging.resize import resize_picture
from modules.processing.requests import SoftInpainting

Floats = NDArray[np.float64]

REACH, DEVIATION = 2, 1.5  # of the window that calms the differences, in latents; weights exp(-r^2 / deviation^2)
BLUR = 4  # pixels: hides the steps between latents


@dataclass(frozen=True, kw_only=True)
class SoftBlend:
    """latents: of the original, [B, C, h, w]; mask: [B, 1, h, w] in [0, 1], 1 is painted anew."""

    latents: torch.Tensor
    mask: torch.Tensor
    soft: SoftInpainting

    def __call__(self, denoised: torch.Tensor, sigma: torch.Tensor, step: int) -> torch.Tensor:
        """x0 [B, C, h, w] at sigma [B]. As if the mask were laid over sigma^bias * strength times; at sigma 0 never."""
        times = sigma.to(denoised).reshape(-1, 1, 1, 1) ** self.soft.schedule_bias * self.soft.preservation_strength
        share = torch.where(sigma.to(denoised).reshape(-1, 1, 1, 1) > 0, self.mask**times, torch.ones_like(self.mask))
        return mix_latents(self.latents, denoised, share, self.soft.transition_contrast_boost)

    def only(self, place: int) -> SoftBlend:
        rows = slice(place, place + 1)
        return replace(self, latents=self.latents[rows], mask=self.mask[rows])


def mix_latents(original: torch.Tensor, painted: torch.Tensor, share: torch.Tensor, contrast: float) -> torch.Tensor:
    """Each latent vector turned from the original's [B, C, h, w] to the painted one's by share [B, 1, h, w].

    Its length is the mean of order `contrast` of the two lengths: a plain mixture of unlike vectors would be short,
    which decodes to a flat grey.
    """
    mixed = torch.lerp(original.double(), painted.double(), share.double())
    lengths = torch.stack([one.double().norm(dim=1, keepdim=True) for one in (original, painted)])
    largest = lengths.amax(0).clamp_min(1e-30)  # so that powers up to 32 stay finite
    powers = (lengths / largest) ** contrast
    wanted = largest * torch.lerp(powers[0], powers[1], share.double()) ** (1 / contrast)
    made = (mixed * (wanted / mixed.norm(dim=1, keepdim=True).clamp_min(1e-5))).to(painted.dtype)
    return torch.where(share >= 1, painted, torch.where(share <= 0, original.to(painted.dtype), made))


def changed_masks(blend: SoftBlend, final: torch.Tensor, size: tuple[int, int]) -> list[Image.Image]:
    """What of each result covers the original: masks L of size (width, height), from the latents' differences.

    final: [n, C, h, w], the first n of the batch when it was interrupted. Where nothing changed the mask is black.
    """
    masks = []
    original = blend.latents[: len(final)]
    for distance, share in zip((final - original).norm(dim=1), blend.mask[:, 0]):
        covered = changed(np.asarray(distance.double().cpu()), np.asarray(share.double().cpu()), blend.soft)
        small = Image.fromarray((covered * 255).astype(np.uint8))
        masks.append(resize_picture(small, *size, "just").filter(ImageFilter.GaussianBlur(BLUR)))
    return masks


def changed(distance: Floats, share: Floats, soft: SoftInpainting) -> Floats:
    """How much of the painting shows, [h, w] in [0, 1]: half where the calmed distance is the threshold.

    `mask_influence` makes the threshold depend on the mask (share, 1 is painted anew): at 1 white has none.
    """
    kept = 0.5 * (1 - soft.mask_influence) + (1 - share ** (soft.preservation_strength / 2)) * soft.mask_influence
    half = soft.difference_threshold * kept / (1.00001 - kept)
    calm = window_mean(window_mean(distance, 0.9, 1.0), 0.25, 0.75)
    ratio = np.where(calm > 0, calm / np.maximum(half, 1e-12), 0.0)
    x = 1 / (1 + ratio**soft.difference_contrast) if soft.difference_contrast else np.where(calm > 0, 0.5, 1.0)
    return 1 - x * x * x * (x * (6 * x - 15) + 10)


def window_mean(values: Floats, low: float, high: float) -> Floats:
    """The mean of each pixel's weighted neighbours of ranks low..high (0 to 1), at least a weight of 1 of them."""
    side = np.arange(-REACH, REACH + 1)
    kernel = np.exp(-(side[:, None] ** 2 + side**2) / DEVIATION**2)
    windows = sliding_window_view(np.pad(values, REACH), kernel.shape).reshape(*values.shape, -1)
    present = sliding_window_view(np.pad(np.ones_like(values), REACH), kernel.shape).reshape(windows.shape)
    order = np.argsort(windows, axis=-1, kind="stable")
    ranked = np.take_along_axis(windows, order, -1)
    weights = np.take_along_axis(present * kernel.ravel(), order, -1)
    ends = np.cumsum(weights, axis=-1)
    total = ends[..., -1:]
    start, end = total * low, total * high
    spare = np.maximum(1 - (end - start), 0) / 2
    start, end = np.maximum(start - spare, 0), np.minimum(end + spare, total)
    taken = np.maximum(np.minimum(ends, end) - np.maximum(ends - weights, start), 0)
    return (ranked * taken).sum(-1) / taken.sum(-1)
