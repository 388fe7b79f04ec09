"""Formulas that several samplers share. Sigmas here are scalars: 0-d tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modules.core.lazy import lazy_import

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from modules.processing.samplers import NoiseSource
else:
    np = lazy_import("numpy")


def ancestral(sigma: Tensor, following: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """(down, up): step to `down`, then add `up` times unit noise, to arrive at noise level `following`."""
    up = (eta * (following**2 * (sigma**2 - following**2) / sigma**2) ** 0.5).minimum(following)
    return (following**2 - up**2) ** 0.5, up


def toward(denoised: Tensor, x: Tensor, sigma: Tensor, following: Tensor) -> Tensor:
    """x at noise level `following`: the exact step of the flow if the network said `denoised` all the way."""
    return following / sigma * x + (1 - following / sigma) * denoised


@dataclass(frozen=True)
class Churn:
    """Noise added before a step, Algorithm 2 of arXiv:2206.00364. tmax 0: no upper end."""

    amount: float
    tmin: float
    tmax: float
    s_noise: float

    def apply(self, x: Tensor, sigma: Tensor, steps: int, noise: NoiseSource) -> tuple[Tensor, Tensor]:
        """(x, sigma) raised to a higher noise level."""
        if self.amount <= 0:
            return x, sigma
        drawn = noise.normal() * self.s_noise  # at every step, so that tmin and tmax do not shift the later draws
        if not self.tmin <= float(sigma) <= (self.tmax or float("inf")):
            return x, sigma
        raised = sigma * (1 + min(self.amount / steps, 2**0.5 - 1))
        return x + drawn * (raised**2 - sigma**2) ** 0.5, raised


def integral(function: Callable[[float], float], low: float, high: float, points: int = 16) -> float:
    """Gauss-Legendre quadrature: exact for polynomials up to degree 2 * points - 1."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    half, middle = (high - low) / 2, (high + low) / 2
    return half * sum(float(w) * function(middle + half * float(u)) for u, w in zip(nodes, weights, strict=True))


def lagrange(nodes: Sequence[float], j: int, at: float) -> float:
    """The polynomial that is 1 at nodes[j] and 0 at the other nodes."""
    value = 1.0
    for k, node in enumerate(nodes):
        if k != j:
            value *= (at - node) / (nodes[j] - node)
    return value


def brownian_between(noise: NoiseSource, sigmas: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """Brownian noise from the first sigma to the last above 0."""
    return noise.brownian(float(sigmas[sigmas > 0].min()), float(sigmas.max()))


def end_at_table(sigmas: Tensor, sigma_table: Tensor) -> Tensor:
    """sigmas with the last 0 replaced by the model's smallest sigma, where the time step samplers end."""
    sigmas = sigmas.clone()
    if sigmas[-1] == 0:
        sigmas[-1] = sigma_table[0].to(sigmas).minimum(sigmas[-2])
    return sigmas


def to_vp(x: Tensor, sigma: Tensor) -> Tensor:
    """From x0 + sigma * noise to the variance preserving scale, sqrt(a) * x0 + sqrt(1 - a) * noise."""
    return x / (1 + sigma**2) ** 0.5
