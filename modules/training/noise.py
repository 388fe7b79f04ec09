"""The forward process x_t = alpha_t x_0 + sigma_t noise: its schedules, what a network predicts of it, its weights.

Diffusion keeps alpha^2 + sigma^2 = 1, and abar = alpha^2. Rectified flow (arXiv:2209.03003) keeps alpha + sigma = 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from modules.core.errors import UserError
from modules.processing.schedules.table import cosine_betas, rescale_zero_snr
from modules.training.config import Diffusion, Prediction

TIMESTEPS = 1000
LEAST_WEIGHT = 0.1  # of min-SNR where the last step is pure noise: it would weigh 0 and never be learned


@dataclass(frozen=True)
class NoiseProcess:
    """alpha, sigma: float64 [1000], by what is drawn in training.

    `beta_end` is the one that was solved for or given. The network is told `first_time` + index, as samplers tell it.
    """

    prediction: Prediction
    alpha: Tensor
    sigma: Tensor
    beta_end: float
    first_time: int = 0

    @property
    def snr_db(self) -> Tensor:
        """float64 [1000]; -inf where nothing is left of the picture."""
        return 20 * (self.alpha.log10() - self.sigma.log10())


def make_process(settings: Diffusion, latent_std: float = 1.0) -> NoiseProcess:
    """The process that `settings` ask for; `latent_std` is the measured deviation of the scaled latents."""
    if settings.prediction == "flow_prediction":
        sigma = torch.arange(1, TIMESTEPS + 1, dtype=torch.float64) / TIMESTEPS
        return NoiseProcess(settings.prediction, 1 - sigma, sigma, settings.beta_end, first_time=1)
    beta_end = settings.beta_end
    if settings.schedule == "snr_adapted":
        beta_end = solve_beta_end(settings.beta_start, settings.terminal_snr_db, latent_std)
    if settings.schedule == "cosine":
        abar = (1 - cosine_betas(TIMESTEPS)).cumprod(0)
    else:
        abar = alphas_cumprod(settings.beta_start, beta_end)
    if settings.zero_terminal_snr:
        abar = rescale_zero_snr(abar)
    return NoiseProcess(settings.prediction, abar.sqrt(), (1 - abar).sqrt(), beta_end)


def alphas_cumprod(beta_start: float, beta_end: float) -> Tensor:
    """abar_t of the scaled-linear schedule (linear in the root of beta, arXiv:2112.10752), float64 [1000]."""
    betas = torch.linspace(beta_start**0.5, beta_end**0.5, TIMESTEPS, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0)


def solve_beta_end(beta_start: float, target_db: float, latent_std: float = 1.0) -> float:
    """The beta_end of a scaled-linear schedule whose last step has the SNR `target_db` for latents of `latent_std`.

    Latents of deviation s have the SNR s^2 abar / (1 - abar): arXiv:2301.10972 on scaling. The schedule stays
    scaled-linear, so that every program that reads Stable Diffusion's schedule reads this one.
    """
    wanted = target_db - 20 * math.log10(latent_std)
    low, high = beta_start, 0.999
    ends = [terminal_snr_db(alphas_cumprod(beta_start, beta_end)) for beta_end in (high, low)]
    if not ends[0] <= wanted <= ends[1]:
        raise UserError(
            f"No schedule from beta_start {beta_start:g} ends at {target_db:g} dB for latents of deviation "
            f"{latent_std:.3g}: {ends[1] + target_db - wanted:.1f} dB is the highest.",
            hint="Lower diffusion.beta_start or choose a diffusion.terminal_snr_db near -20.",
            field="diffusion.terminal_snr_db",
        )
    for _ in range(60):  # the SNR falls as beta_end grows
        middle = (low + high) / 2
        low, high = (middle, high) if terminal_snr_db(alphas_cumprod(beta_start, middle)) > wanted else (low, middle)
    return high


def terminal_snr_db(abar: Tensor) -> float:
    return float(10 * torch.log10(abar[-1] / (1 - abar[-1])))


def target_of(prediction: Prediction, x0: Tensor, noise: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """What the network should say; alpha and sigma broadcast. v is that of arXiv:2202.00512, D."""
    match prediction:
        case "epsilon":
            return noise
        case "v_prediction":
            return alpha * noise - sigma * x0
        case "flow_prediction":
            return noise - x0


def split(prediction: Prediction, output: Tensor, noisy: Tensor, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """(x0, noise) that an output means: the inverse of `target_of`. Epsilon has no x0 where alpha is 0."""
    match prediction:
        case "epsilon":
            return (noisy - sigma * output) / alpha, output
        case "v_prediction":
            return alpha * noisy - sigma * output, sigma * noisy + alpha * output
        case "flow_prediction":
            return noisy - sigma * output, noisy + alpha * output


def min_snr_weight(prediction: Prediction, alpha: Tensor, sigma: Tensor, gamma: float) -> Tensor:
    """Weights of arXiv:2303.09556, 3.4, for a loss on the prediction itself.

    There min(SNR, gamma) weighs the error of x0: sigma^2 times that of v or flow, 1 / SNR times that of epsilon.
    """
    snr = (alpha / sigma).square()
    if prediction == "epsilon":
        return snr.clamp(max=gamma) / snr
    return snr.clamp(max=gamma) * sigma.square()


def loss_weights(process: NoiseProcess, gamma: float) -> Tensor:
    """`min_snr_weight` of every timestep, float64 [1000]; with a floor where the last step is pure noise."""
    weights = min_snr_weight(process.prediction, process.alpha, process.sigma, gamma)
    return weights.clamp(min=LEAST_WEIGHT) if process.alpha[-1] == 0 else weights


def draw_noise(shape: torch.Size, offset: float, generator: torch.Generator) -> Tensor:
    """Normal noise, plus `offset` times one normal number per channel (N. Guttenberg, Diffusion with Offset Noise)."""
    noise = torch.randn(shape, generator=generator)
    if offset:
        noise = noise + offset * torch.randn((*shape[:2], 1, 1), generator=generator)
    return noise


def stratified_timesteps(count: int, generator: torch.Generator) -> Tensor:
    """One timestep from each of `count` equal parts of the range: the mean loss varies less from step to step."""
    place = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    return (place * TIMESTEPS).long().clamp(max=TIMESTEPS - 1)
