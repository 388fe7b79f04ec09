"""Single steps of DPM-Solver (arXiv:2206.00927, Algorithms 1 and 2) in t = -log sigma, of order 1 to 3."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from modules.processing.samplers import Denoiser, NoiseSource


class Steps:
    """Steps from one point. The noise predictions made on the way are shared between the orders."""

    def __init__(self, denoiser: Denoiser, x: Tensor, t: float) -> None:
        self.denoiser = denoiser
        self.x = x
        self.t = t
        self.denoised = denoiser(x, x.new_tensor(math.exp(-t)))
        self.epsilon = (x - self.denoised) / math.exp(-t)
        self.calls = 1
        self._third: tuple[float, Tensor] | None = None  # (s, noise prediction) of a third of the way

    def first(self, t_next: float) -> Tensor:
        return self.x - math.exp(-t_next) * math.expm1(t_next - self.t) * self.epsilon

    def second(self, t_next: float, r: float = 0.5) -> Tensor:
        h = t_next - self.t
        slope = (self._ahead(self.t + r * h) - self.epsilon) / (2 * r)
        return self.first(t_next) - math.exp(-t_next) * math.expm1(h) * slope

    def third(self, t_next: float) -> Tensor:
        h, r1, r2 = t_next - self.t, 1 / 3, 2 / 3
        rise = self._ahead(self.t + r1 * h) - self.epsilon
        s2 = self.t + r2 * h
        u2 = self.first(s2) - math.exp(-s2) * (r2 / r1) * (math.expm1(r2 * h) / (r2 * h) - 1) * rise
        rise = self._predict(u2, s2) - self.epsilon
        return self.first(t_next) - math.exp(-t_next) / r2 * (math.expm1(h) / h - 1) * rise

    def _ahead(self, s: float) -> Tensor:
        if self._third is None or self._third[0] != s:
            self._third = (s, self._predict(self.first(s), s))
        return self._third[1]

    def _predict(self, x: Tensor, s: float) -> Tensor:
        self.calls += 1
        return (x - self.denoiser(x, x.new_tensor(math.exp(-s)))) / math.exp(-s)


def split(t: float, t_next: float, t_end: float, eta: float) -> tuple[float, float]:
    """(t to step to, noise to add then) so that noise level t_next is reached."""
    if eta <= 0:
        return t_next, 0.0
    sigma, following = math.exp(-t), math.exp(-t_next)
    up = min(following, eta * math.sqrt(following**2 * (sigma**2 - following**2) / sigma**2))
    down = math.sqrt(following**2 - up**2)
    target = t_end if down <= math.exp(-t_end) else -math.log(down)
    return target, math.sqrt(max(following**2 - math.exp(-2 * target), 0.0))


def add_noise(x: Tensor, amount: float, noise: NoiseSource) -> Tensor:
    return x + amount * noise.normal() if amount > 0 else x
