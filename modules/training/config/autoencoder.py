"""Stage 1: the autoencoder and the parts of its loss."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from modules.core.errors import UserError
from modules.training.config.data import OF_SCENES, Data, refuse_idle
from modules.training.config.ranges import check_range


@dataclass(frozen=True)
class Codebook:
    """Of kind "vq". A code used less than `revive_below` of its fair share is moved to where latents lack one."""

    size: int = 512
    decay: float = 0.99  # of the running means that the codes are
    commitment: float = 0.25  # weight of the squared distance of latents from their codes
    revive_below: float = 0.1


@dataclass(frozen=True)
class Adversarial:
    """A discriminator against the decoder; weight 0: none. Its logits see 70x70 pixels with 3 layers, 34x34 with 2.

    It learns alone for the last `alone` steps before `start`; then the weight rises from 0 in a line over `ramp` steps:
    cold and at full weight it destroys what the decoder has learned.
    """

    weight: float = 0.0
    start: int = 10000
    alone: int = 500
    ramp: int = 1000
    most: float = 10.0  # limit of the adaptive weight
    channels: int = 64
    layers: int = 3
    penalty: float = 0.0  # gamma of R1; little of it: spectral norm is always on
    penalty_every: int = 16


@dataclass(frozen=True)
class Autoencoder:
    """`kl_weight` is per latent element against the loss summed over pixels (arXiv:2112.10752's form, per picture).

    Each level of `channels` after the first halves the size: 3 levels for 4x, 4 for 8x, 5 for 16x.

    `whole_share` of the steps show whole pictures, in number as many pixels as the crops: group normalisation has
    other statistics there (tests/benchmarks/autoencoder.py, two seeds: a quarter brings whole pictures 0.9 and 1.2 dB).
    """

    kind: Literal["kl", "vq"] = "kl"
    channels: tuple[int, ...] = (16, 32, 64, 128)
    layers: int = 1
    latent_channels: int = 4
    norm_groups: int = 8
    crop: int = 64
    whole_share: float = 0.0
    l1_weight: float = 1.0
    l2_weight: float = 2.0
    edge_weight: float = 1.0
    colour_weight: float = 0.0  # L2 of means over 8x8 pixels: without it the third axis of colour is learned last
    perceptual_weight: float = 0.0  # energies of Gabor filters
    kl_weight: float = 1e-3
    codebook: Codebook = field(default_factory=Codebook)
    adversarial: Adversarial = field(default_factory=Adversarial)


def check_autoencoder(auto: Autoencoder, data: Data) -> None:
    if data.kind == "folder":
        raise UserError("The autoencoder learns from the emoji set only.", field="data.kind")
    refuse_idle(data, (*OF_SCENES, "flips"), 'method "autoencoder": it sees crops of all, half of them mirrored')
    factor = 2 ** (len(auto.channels) - 1)
    if auto.crop % factor or auto.crop > data.size:
        raise UserError(
            f"autoencoder.crop is {auto.crop}.",
            hint=f"Use a multiple of {factor} up to data.size ({data.size}).",
            field="autoencoder.crop",
        )
    if any(width % auto.norm_groups for width in auto.channels):
        raise UserError("autoencoder.channels must be multiples of norm_groups.", field="autoencoder.channels")
    shares = {
        "autoencoder.whole_share": auto.whole_share,
        "autoencoder.codebook.decay": auto.codebook.decay,
        "autoencoder.codebook.revive_below": auto.codebook.revive_below,
    }
    for name, value in shares.items():
        check_range(name, value, 0, 1)
    weights = (auto.l1_weight, auto.l2_weight, auto.edge_weight, auto.colour_weight, auto.perceptual_weight)
    if min(weights) < 0 or max(weights) == 0:
        raise UserError(
            "Nothing says how near a reconstruction must come.",
            hint="Give at least one of autoencoder.l1_weight, l2_weight, edge_weight, ... a weight, none below 0.",
            field="autoencoder.l1_weight",
        )
    if auto.codebook.size < 2:
        raise UserError(
            f"autoencoder.codebook.size is {auto.codebook.size}.",
            hint="A codebook needs at least 2 codes.",
            field="autoencoder.codebook.size",
        )
    if auto.adversarial.weight:
        _check_adversarial(auto)


def _check_adversarial(auto: Autoencoder) -> None:
    settings = auto.adversarial
    counts, amounts = ("channels", "layers", "penalty_every"), ("weight", "start", "alone", "ramp", "most", "penalty")
    for name, lowest in {**dict.fromkeys(counts, 1), **dict.fromkeys(amounts, 0)}.items():
        if getattr(settings, name) < lowest:
            place = f"autoencoder.adversarial.{name}"
            raise UserError(f"{place} is {getattr(settings, name)}.", hint=f"Use {lowest} or more.", field=place)
    least = 3 * 2**settings.layers  # smaller ones have no logit
    if auto.crop < least:
        raise UserError(
            f"autoencoder.crop is {auto.crop}, too small for the discriminator.",
            hint=f"Use at least {least}, or fewer than {settings.layers} autoencoder.adversarial.layers.",
            field="autoencoder.crop",
        )
