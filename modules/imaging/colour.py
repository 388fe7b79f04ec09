"""Colours of one picture given to another: histograms matched in CIE LAB, the lightness left alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float64]

# sRGB (IEC 61966-2-1) to XYZ under D65; each row divided by the white point's coordinate, so that white is (1, 1, 1).
_WHITE = np.array([0.95047, 1.0, 1.08883])
_TO_XYZ = (
    np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
    / _WHITE[:, None]
)
_LUMA = np.array([0.299, 0.587, 0.114])


def match_colours(image: Image.Image, target: Image.Image) -> Image.Image:
    """The picture with the target's distribution of colours, RGB; how light each pixel is stays as it was.

    LAB is kept in floats: in bytes a picture matched to itself would already be off by up to 30 of 255 levels.
    """
    painted = np.asarray(image.convert("RGB"), np.float64) / 255
    source, wanted = to_lab(painted), to_lab(np.asarray(target.convert("RGB"), np.float64) / 255)
    matched = np.stack([match_histogram(source[..., at], wanted[..., at]) for at in range(3)], axis=-1)
    made = _with_luma(from_lab(matched).clip(0, 1), painted @ _LUMA)
    return Image.fromarray(np.rint(made * 255).astype(np.uint8))


def to_lab(rgb: Floats) -> Floats:
    """sRGB [0, 1], [..., 3] -> CIE L [0, 100], a, b."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def from_lab(lab: Floats) -> Floats:
    """CIE LAB -> sRGB; outside [0, 1] where the colour is none of sRGB's."""
    y = (lab[..., 0] + 16) / 116
    root = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    xyz = np.where(root > 6 / 29, root**3, (root - 4 / 29) * 3 * (6 / 29) ** 2)
    linear = xyz @ np.linalg.inv(_TO_XYZ).T
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.abs(linear) ** (1 / 2.4) - 0.055)


def match_histogram(source: Floats, target: Floats) -> Floats:
    """Each value replaced by the target's value of the same rank."""
    _, places, counts = np.unique(source.ravel(), return_inverse=True, return_counts=True)
    values, of_target = np.unique(target.ravel(), return_counts=True)
    ranks = np.cumsum(counts) / source.size
    return np.interp(ranks, np.cumsum(of_target) / target.size, values)[places].reshape(source.shape)


def _with_luma(rgb: Floats, luma: Floats) -> Floats:
    """SetLum and ClipColor of the W3C Compositing and Blending, part 13: hue of `rgb`, brightness `luma`; [0, 1]."""
    moved = rgb + (luma - rgb @ _LUMA)[..., None]
    grey = luma[..., None]
    low, high = moved.min(-1, keepdims=True), moved.max(-1, keepdims=True)
    room = np.minimum(
        np.where(low < 0, grey / np.maximum(grey - low, 1e-12), 1.0),
        np.where(high > 1, (1 - grey) / np.maximum(high - grey, 1e-12), 1.0),
    )
    return (grey + (moved - grey) * room).clip(0, 1)
