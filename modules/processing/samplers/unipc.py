"""UniPC, Zhao et al. 2023 (arXiv:2302.04867): multistep predictor and corrector on x0; B1(h), B2(h) or exact weights.

All in x0 + sigma * noise: with alpha = 1 the paper's data prediction formulas stay the same.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from modules.core.lazy import lazy_import
from modules.processing.samplers import Denoiser, NoiseSource, OnStep, register_sampler
from modules.processing.samplers.arithmetic import end_at_table, to_vp

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from modules.processing.schedules import SigmaOptions
    from modules.processing.schedules.table import SigmaTable
else:
    np = lazy_import("numpy")
    torch = lazy_import("torch")


def unipc_sigmas(steps: int, table: SigmaTable, options: SigmaOptions) -> Tensor:
    """sigmas [steps + 1] from the model's noisiest to its smallest, even in time, in its root, or in log SNR.

    Time runs from 1 down to 1 / T for the T entries of the table; between them log(alpha) is linear in time, as in
    the authors' NoiseScheduleVP.
    """
    size = len(table.sigmas)
    share = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    if options.unipc_skip == "logSNR":
        low, high = math.log(table.sigma_min), math.log(table.sigma_max)
        return (low + share * (high - low)).exp().float()
    power = 2 if options.unipc_skip == "time_quadratic" else 1
    time = (size ** (-1 / power) + share * (1 - size ** (-1 / power))) ** power
    place = (time * size - 1).clamp(0, size - 1)
    low, high = place.floor().long(), place.ceil().long()
    log_alpha = -torch.log1p(table.sigmas.double() ** 2)  # of alphas_cumprod = 1 / (1 + sigma^2)
    between = log_alpha[low] + (place - low) * (log_alpha[high] - log_alpha[low])
    return torch.expm1(-between).sqrt().float()


@register_sampler(
    "UniPC",
    order=180,
    aliases=("unipc",),
    timesteps=True,
    grid=unipc_sigmas,
    knobs=("variant", "order", "lower_order_final"),
)
def unipc(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: NoiseSource,
    on_step: OnStep,
    variant: str = "bh1",
    order: int = 3,
    lower_order_final: bool = True,
) -> Tensor:
    """x: at noise level sigmas[0], [B, C, h, w]. sigmas: [steps + 1], descending; the last is the model's smallest."""
    sigmas = end_at_table(sigmas, denoiser.sigma_table)
    lambdas = [-math.log(float(sigma)) for sigma in sigmas]
    steps = len(sigmas) - 1
    past: list[Tensor] = []  # x0 predictions, newest first
    x_last, p = x, 0
    for i in range(steps):
        denoised = denoiser(x, sigmas[i])
        if i > 0:  # the same model call corrects the step that led here and predicts the next
            x = _update(x_last, past, lambdas[i - p : i + 1][::-1], variant, denoised)
        past = [denoised, *past[: order - 1]]
        p = min(order, i + 1)
        if lower_order_final:
            p = min(p, steps - i)
        x_last = x
        x = _update(x, past, lambdas[i + 1 - p : i + 2][::-1], variant, None)
        on_step(i, to_vp(x, sigmas[i + 1]), sigmas[i], denoised)
    return to_vp(x, sigmas[-1])


def _update(x: Tensor, past: list[Tensor], lambdas: list[float], variant: str, denoised: Tensor | None) -> Tensor:
    """One step. lambdas: where it goes, then those of past[0], past[1], ...: as many as the order.

    denoised: x0 at the step's end, for the corrector; None predicts.
    """
    h = lambdas[0] - lambdas[1]
    if h == 0:
        return x
    ratios = [(level - lambdas[1]) / h for level in lambdas[2:]]
    differences = [older - past[0] for older in past[1 : 1 + len(ratios)]]
    if denoised is not None:
        ratios.append(1.0)
        differences.append(denoised - past[0])
    base = math.exp(-h) * x - math.expm1(-h) * past[0]
    for weight, difference in zip(_weights(ratios, h, variant), differences, strict=True):
        base = base - weight * difference
    return base


def _weights(ratios: list[float], h: float, variant: str) -> list[float]:
    """What each difference, to past[0] at distance ratio * h, is multiplied by."""
    size = len(ratios)
    if not size:
        return []
    phi = [math.expm1(-h)]  # phi[k]: -(k+1)-th integral; by recursion, section 3.2
    for k in range(1, size + 1):
        phi.append(phi[-1] / -h - 1 / math.factorial(k))
    if variant == "vary_coeff":
        rows = [[r ** (k + 1) / math.factorial(k + 1) for k in range(size)] for r in ratios]
        return [float(w) for w in np.linalg.solve(np.array(rows).T, np.array(phi[1:]))]
    b = -h if variant == "bh1" else math.expm1(-h)
    if size == 1:
        return [0.5 * b / ratios[0]]  # the paper's choice: enough for the order
    matrix = np.array([[r**k for r in ratios] for k in range(size)])
    right = np.array([phi[k + 1] * math.factorial(k + 1) for k in range(size)])
    return [float(w) / r for w, r in zip(np.linalg.solve(matrix, right), ratios, strict=True)]
