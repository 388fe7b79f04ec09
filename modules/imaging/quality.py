"""How near a picture is to its original: PSNR and SSIM over uint8 RGB arrays [H, W, 3]."""

from __future__ import annotations

import numpy as np

WINDOW, SIGMA = 11, 1.5  # Wang et al. 2004, "Image quality assessment", section III.C
K1, K2, RANGE = 0.01, 0.03, 255.0


def psnr(picture: np.ndarray, original: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB; infinite for equal pictures."""
    _check(picture, original)
    error = np.mean((picture.astype(np.float64) - original) ** 2)
    return float(10 * np.log10(RANGE**2 / error)) if error else float("inf")


def ssim(picture: np.ndarray, original: np.ndarray) -> float:
    """Mean structural similarity over all whole windows and the three channels; 1 for equal pictures."""
    _check(picture, original)
    if min(picture.shape[:2]) < WINDOW:
        raise ValueError(f"SSIM needs at least {WINDOW} pixels a side, and the picture has {picture.shape[:2]}")
    x, y = picture.astype(np.float64), original.astype(np.float64)
    mean_x, mean_y = _smooth(x), _smooth(y)
    variance_x = _smooth(x * x) - mean_x**2
    variance_y = _smooth(y * y) - mean_y**2
    covariance = _smooth(x * y) - mean_x * mean_y
    c1, c2 = (K1 * RANGE) ** 2, (K2 * RANGE) ** 2
    above = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    below = (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    return float(np.mean(above / below))


def _smooth(values: np.ndarray) -> np.ndarray:
    """Gaussian means over whole windows only, [H - 10, W - 10, 3]."""
    places = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(places**2) / (2 * SIGMA**2))
    weights /= weights.sum()
    height, width = values.shape[0] - WINDOW + 1, values.shape[1] - WINDOW + 1
    rows = np.sum([weight * values[at : at + height] for at, weight in enumerate(weights)], axis=0)
    return np.sum([weight * rows[:, at : at + width] for at, weight in enumerate(weights)], axis=0)


def _check(picture: np.ndarray, original: np.ndarray) -> None:
    if picture.shape != original.shape or picture.dtype != np.uint8 or original.dtype != np.uint8:
        raise ValueError(
            f"expected two uint8 pictures of one shape, got {picture.dtype} {picture.shape} "
            f"and {original.dtype} {original.shape}"
        )
