"""Noise by seed: one generator per picture, so that a picture of a batch has the noise it would have alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torchsde

from modules.processing.philox import PhiloxGenerator


@dataclass(frozen=True, kw_only=True)
class NoiseWish:
    """source: CPU | GPU | NV. resize_from: (h, w) in latents. ensd: added to the seeds after the first draw."""

    source: str = "CPU"
    variation_seeds: Sequence[int] | None = None
    variation_strength: float = 0.0
    resize_from: tuple[int, int] | None = None
    ensd: int = 0
    per_image_brownian: bool = True


class NoiseSource:
    """Draws for a batch. shape: (C, h, w) of one picture's latents."""

    def __init__(
        self, seeds: Sequence[int], shape: tuple[int, int, int], wish: NoiseWish, device: torch.device
    ) -> None:
        self.seeds = list(seeds)
        self.shape = shape
        self.wish = wish
        self.device = device
        self._generators = [self._generator(seed) for seed in self.seeds]

    def initial(self) -> torch.Tensor:
        """The noise a picture starts from, [B, C, h, w]: with variation and resize. Draw it first."""
        rows = [self._first(index) for index in range(len(self.seeds))]
        if self.wish.ensd:
            self._generators = [self._generator(seed + self.wish.ensd) for seed in self.seeds]
        return torch.stack(rows).to(self.device)

    def normal(self) -> torch.Tensor:
        """The next draw of every picture, [B, C, h, w]."""
        return torch.stack([self._draw(generator, self.shape) for generator in self._generators]).to(self.device)

    def brownian(self, sigma_min: float, sigma_max: float) -> Callable[[Any, Any], torch.Tensor]:
        """Noise for SDE samplers: increments of a Brownian path per picture, scaled to unit variance."""
        seeds = self.seeds if self.wish.per_image_brownian else self.seeds[:1]
        shape = self.shape if self.wish.per_image_brownian else (len(self.seeds), *self.shape)
        trees = [
            torchsde.BrownianInterval(
                t0=min(sigma_min, sigma_max),
                t1=max(sigma_min, sigma_max),
                size=shape,
                dtype=torch.float32,
                entropy=seed,
                tol=1e-6,
                pool_size=24,
                halfway_tree=True,
            )
            for seed in seeds
        ]

        def increment(sigma: Any, sigma_next: Any) -> torch.Tensor:
            first, second = float(sigma), float(sigma_next)
            low, high = min(first, second), max(first, second)
            sign = 1.0 if first < second else -1.0
            rows = [torch.as_tensor(tree(low, high)) for tree in trees]
            stacked = torch.stack(rows) if self.wish.per_image_brownian else rows[0]
            return (stacked * sign / (high - low) ** 0.5).to(self.device)

        return increment

    def _first(self, index: int) -> torch.Tensor:
        wish = self.wish
        shape = self.shape if wish.resize_from is None else (self.shape[0], *wish.resize_from)
        generator = self._generators[index]
        noise = self._draw(generator, shape)
        if wish.variation_seeds is not None and wish.variation_strength > 0:
            other = self._draw(self._generator(wish.variation_seeds[index]), shape)
            noise = slerp(wish.variation_strength, noise, other)
        if shape == self.shape:
            return noise
        full = self._draw(self._generator(self.seeds[index]), self.shape)
        return paste_centre(noise, full)

    def _generator(self, seed: int) -> torch.Generator | PhiloxGenerator:
        if self.wish.source == "NV":
            return PhiloxGenerator(seed)
        device = self.device if self.wish.source == "GPU" else torch.device("cpu")
        return torch.Generator(device).manual_seed(seed)

    def _draw(self, generator: torch.Generator | PhiloxGenerator, shape: tuple[int, ...]) -> torch.Tensor:
        if isinstance(generator, PhiloxGenerator):
            return torch.from_numpy(generator.normal(int(np.prod(shape)))).view(shape)
        return torch.randn(shape, generator=generator, device=generator.device)


def slerp(share: float, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Spherical interpolation of two noises along their last dimension but one; straight where they are parallel."""
    cosine = (_unit(first) * _unit(second)).sum(1)
    if float(cosine.mean()) > 0.9995:
        return first * (1 - share) + second * share
    angle = torch.acos(cosine)
    scale = torch.sin(angle)
    left, right = torch.sin((1.0 - share) * angle) / scale, torch.sin(share * angle) / scale
    return left.unsqueeze(1) * first + right.unsqueeze(1) * second


def _unit(noise: torch.Tensor) -> torch.Tensor:
    return noise / torch.norm(noise, dim=1, keepdim=True)


def paste_centre(noise: torch.Tensor, full: torch.Tensor) -> torch.Tensor:
    """The centre of `noise` over the centre of `full`, both [C, h, w]: what "resize seed" shows of the old picture."""
    dy, dx = (full.shape[1] - noise.shape[1]) // 2, (full.shape[2] - noise.shape[2]) // 2
    height = noise.shape[1] if dy >= 0 else noise.shape[1] + 2 * dy
    width = noise.shape[2] if dx >= 0 else noise.shape[2] + 2 * dx
    to_y, to_x = max(dy, 0), max(dx, 0)
    from_y, from_x = max(-dy, 0), max(-dx, 0)
    result = full.clone()
    result[:, to_y : to_y + height, to_x : to_x + width] = noise[:, from_y : from_y + height, from_x : from_x + width]
    return result
