"""Noise that looks like a picture from afar: what outpainting starts from where there is nothing yet.

The spectrum of the picture itself, its amplitudes and phases, shapes the noise; its histogram colours it. After
parlance-zz's "Outpainting mk2" (g-diffuser-bot).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from modules.core.lazy import lazy_import
from modules.imaging.colour import match_histogram

if TYPE_CHECKING:
    from scipy import fft
else:
    fft = lazy_import("scipy.fft")

Floats = NDArray[np.float64]


def fill_with_noise(
    image: Image.Image, hole: NDArray[np.bool_], *, seed: int, fall_off: float = 1.0, colour_variation: float = 0.05
) -> Image.Image:
    """RGB, with the hole [h, w] filled; every pixel outside it stays byte for byte.

    fall_off: exponent of the picture's amplitudes, 0 to 4: above 1 the noise is smoother. colour_variation: 0 (the
    channels rise and fall together) to 1 (each for itself).
    """
    before = np.asarray(image.convert("RGB"))
    if not hole.any() or hole.all():
        return Image.fromarray(before.copy())
    known = before / 255 * ~hole[..., None]
    noise = _shaped(_noise(hole.shape, colour_variation, np.random.default_rng(seed)), _spectrum(known, hole), fall_off)
    coloured = [match_histogram(noise[hole, channel], known[~hole, channel]) for channel in range(3)]
    made = before.copy()
    made[hole] = np.rint(np.stack(coloured, axis=-1) * 255).astype(np.uint8)
    return Image.fromarray(made)


def _spectrum(known: Floats, hole: NDArray[np.bool_]) -> Floats:
    """Of the known pixels at full contrast, the hole filled with their mean, [h, w, 3]."""
    bright = known / max(known.max(), 1e-6)
    return _transform(bright + known.mean() * hole[..., None])


def _noise(shape: tuple[int, ...], colour_variation: float, random: np.random.Generator) -> Floats:
    coloured = random.random((*shape, 3))
    return coloured * colour_variation + coloured.mean(-1, keepdims=True) * (1 - colour_variation)


def _shaped(noise: Floats, spectrum: Floats, fall_off: float) -> Floats:
    """The noise, softened by a window over its frequencies, with the spectrum's amplitudes and phases; [0, 1]."""
    height, width = noise.shape[:2]
    side = min(height, width)
    y, x = (
        np.fft.fftfreq(count)[:, None] * 2 * count / side if axis == 0 else np.fft.fftfreq(count) * 2 * count / side
        for axis, count in enumerate((height, width))
    )
    window = 1 / ((x**2 + 1) * (y**2 + 1))
    power = np.abs(_transform(noise) * window[..., None]) ** 2
    amplitude = np.abs(spectrum)
    phase = spectrum / np.maximum(amplitude, 1e-12)
    made: Floats = np.real(np.asarray(fft.ifft2(power * amplitude**fall_off * phase, axes=(0, 1), norm="ortho")))
    return (made - made.min()) / max(made.max() - made.min(), 1e-12)


def _transform(values: Floats) -> Floats:
    return np.asarray(fft.fft2(values, axes=(0, 1), norm="ortho"))
