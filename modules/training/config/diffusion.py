"""Stage 2: the networks and the noise that they learn to remove."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from modules.core.errors import UserError
from modules.training.config.ranges import check_range

Prediction = Literal["v_prediction", "epsilon", "flow_prediction"]
Schedule = Literal["scaled_linear", "cosine", "snr_adapted"]


@dataclass(frozen=True)
class Denoising:
    """What all methods that learn to remove noise are told: of the noise, of the loss, and of their samples."""

    zero_terminal_snr: bool = False  # end in pure noise (arXiv:2305.08891)
    noise_offset: float = 0.0  # deviation of a constant per picture and channel in the noise; 0.05 to 0.1 is usual
    condition_dropout: float = 0.1
    min_snr: float = 0.0  # gamma of arXiv:2303.09556; 0 weighs all timesteps alike
    sample_prompts: tuple[str, ...] = ()  # empty: the caption of the first picture
    sample_steps: int = 20
    sample_cfg: float = 5.0


@dataclass(frozen=True)
class Diffusion(Denoising):
    """The U-Net, the text encoder and the noise schedule. `autoencoder` is a finished stage 1 folder.

    `start_from` is a finished stage 2 folder whose weights to begin with; `channels` may have one level more outside.

    Schedules: "scaled_linear" is Stable Diffusion's; "snr_adapted" is that with the beta_end for which the measured
    latents end at `terminal_snr_db`; "cosine" has no betas to choose. "flow_prediction" is rectified flow, which has a
    straight schedule of its own.
    """

    autoencoder: str = ""
    start_from: str = ""
    channels: tuple[int, ...] = (64, 128, 256)
    layers: int = 1
    attention: tuple[bool, ...] = (False, True, True)  # cross-attention by level, outermost first
    head_dim: int = 32
    norm_groups: int = 16
    text_width: int = 192
    text_layers: int = 3
    text_heads: int = 6
    vocabulary: int = 8192
    pooled_text: bool = False  # pool the text into the time embedding too: small models obey it far sooner
    prediction: Prediction = "v_prediction"
    schedule: Schedule = "scaled_linear"
    beta_start: float = 0.0015
    beta_end: float = 0.0155
    terminal_snr_db: float = -20.0  # of snr_adapted


def check_denoising(denoising: Denoising, section: str) -> None:
    check_range(f"{section}.condition_dropout", denoising.condition_dropout, 0, 1)
    check_range(f"{section}.noise_offset", denoising.noise_offset, 0, 1)
    check_range(f"{section}.min_snr", denoising.min_snr, 0, 1000)
    check_range(f"{section}.sample_steps", denoising.sample_steps, 1, 150)
    check_range(f"{section}.sample_cfg", denoising.sample_cfg, 0, 100)
    if denoising.zero_terminal_snr and denoising.noise_offset:
        raise UserError(
            f"{section}.zero_terminal_snr ends in pure noise and does not go with noise_offset.",
            hint="Choose one of them.",
            field=f"{section}.zero_terminal_snr",
        )


def check_diffusion(diffusion: Diffusion) -> None:
    check_denoising(diffusion, "diffusion")
    _check_schedule(diffusion)
    if diffusion.text_heads < 1 or diffusion.text_width % diffusion.text_heads:
        raise UserError(
            f"diffusion.text_width {diffusion.text_width} cannot be parted into {diffusion.text_heads} heads.",
            hint="Use a multiple of diffusion.text_heads.",
            field="diffusion.text_width",
        )
    if len(diffusion.attention) != len(diffusion.channels):
        raise UserError("diffusion.attention needs one value per level of channels.", field="diffusion.attention")
    if any(width % diffusion.norm_groups for width in diffusion.channels):
        raise UserError("diffusion.channels must be multiples of norm_groups.", field="diffusion.channels")
    if not diffusion.autoencoder:
        raise UserError(
            "diffusion.autoencoder is empty.",
            hint="Name the folder of a finished autoencoder.",
            field="diffusion.autoencoder",
        )


def _check_schedule(diffusion: Diffusion) -> None:
    if not 0 < diffusion.beta_start <= diffusion.beta_end < 1:
        raise UserError(
            f"diffusion.beta_start {diffusion.beta_start:g} and beta_end {diffusion.beta_end:g} are no schedule.",
            hint="They must rise between 0 and 1.",
            field="diffusion.beta_start",
        )
    if diffusion.prediction == "epsilon" and (diffusion.zero_terminal_snr or diffusion.schedule == "cosine"):
        raise UserError(
            "epsilon says nothing of the picture where zero_terminal_snr or the cosine schedule ends, in pure noise.",
            hint="Use diffusion.prediction v_prediction.",
            field="diffusion.prediction",
        )
    if diffusion.zero_terminal_snr and diffusion.schedule == "snr_adapted":
        raise UserError(
            "diffusion.zero_terminal_snr ends in pure noise and does not go with snr_adapted.",
            hint="Choose one of them.",
            field="diffusion.zero_terminal_snr",
        )
    other = diffusion.schedule != "scaled_linear" or diffusion.zero_terminal_snr
    if diffusion.prediction == "flow_prediction" and other:
        raise UserError(
            "flow_prediction has a straight schedule of its own, which ends in pure noise.",
            hint="Leave out diffusion.schedule and zero_terminal_snr.",
            field="diffusion.schedule",
        )
