"""What a training run is told: one TOML file, read into frozen dataclasses and checked before anything is loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import tomlkit
import tomlkit.exceptions

from modules.core.errors import UserError

Precision = Literal["fp32", "bf16"]
Prediction = Literal["v_prediction", "epsilon"]


@dataclass(frozen=True)
class Run:
    """`folder` holds the states, metrics.jsonl, samples and the result. Steps are optimizer steps."""

    folder: str
    seed: int = 1
    steps: int = 1000
    batch_size: int = 16
    threads: int = 2
    precision: Precision = "fp32"  # of the forward pass; weights and optimizer stay fp32
    device: str = "cpu"
    log_every: int = 20
    validate_every: int = 500
    sample_every: int = 500
    save_every: int = 500
    keep: int = 2  # states kept on disk


@dataclass(frozen=True)
class Optimizer:
    """AdamW with linear warm-up, then a constant or cosine rate; `ema_decay` is reached by (1 + n) / (10 + n).

    Over the last `cooldown` steps a constant rate falls in a line to `min_lr`: decide when to end while it runs.
    """

    lr: float = 1e-3
    min_lr: float = 1e-5
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: int = 100
    cooldown: int = 0
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0
    clip: float = 1.0
    ema_decay: float = 0.999


@dataclass(frozen=True)
class Data:
    """`popular_share` of the draws come from the popular subjects, `plain_share` show one subject centred on white."""

    folder: str
    size: int = 128
    popular_share: float = 0.9
    focus: tuple[str, ...] = ()  # labels to count as the popular ones when drawing; empty: those marked in the set
    plain_share: float = 0.5
    colours: int = 10  # coloured backgrounds per popular subject, kept as latents
    rare_colours: int = 1  # the same for all other subjects
    blends: int = 0  # scenes of a popular subject on a gradient of two colours
    placed: int = 0  # scenes of a popular subject at half size, somewhere
    pairs: int = 0  # scenes of two popular subjects side by side


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


@dataclass(frozen=True)
class Diffusion:
    """The U-Net, the text encoder and the noise schedule. `autoencoder` is a finished stage 1 folder."""

    autoencoder: str = ""
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
    beta_start: float = 0.0015
    beta_end: float = 0.0155
    condition_dropout: float = 0.1
    min_snr: float = 0.0  # gamma of arXiv:2303.09556; 0 weighs all timesteps alike
    sample_prompts: tuple[str, ...] = ()
    sample_steps: int = 20
    sample_cfg: float = 5.0


@dataclass(frozen=True)
class Config:
    method: Literal["autoencoder", "latent_diffusion"]
    run: Run
    data: Data
    optimizer: Optimizer = field(default_factory=Optimizer)
    autoencoder: Autoencoder = field(default_factory=Autoencoder)
    diffusion: Diffusion = field(default_factory=Diffusion)


def read_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """The checked config in `path`; `overrides` are "section.key=value" with a TOML value (or a bare word)."""
    try:
        tree: dict[str, Any] = tomlkit.parse(path.read_text(encoding="utf-8")).unwrap()
    except FileNotFoundError:
        raise UserError(f"There is no config file {path}.") from None
    except tomlkit.exceptions.ParseError as error:
        raise UserError(f"{path.name} is not TOML: {error}.") from error
    for override in overrides:
        _set(tree, override)
    config = parse_config(tree)
    check(config)
    return config


def parse_config(tree: Mapping[str, Any]) -> Config:
    return _build(Config, tree, "")


def dump_config(config: Config) -> str:
    """TOML that read_config reads back to an equal config."""
    return tomlkit.dumps(dataclasses.asdict(config))


def check(config: Config) -> None:
    """UserError for a combination that cannot be trained."""
    _check_run(config)
    if config.method == "autoencoder":
        _check_autoencoder(config)
    else:
        _check_diffusion(config)


def _check_run(config: Config) -> None:
    run = config.run
    for name, value in (("run.steps", run.steps), ("run.batch_size", run.batch_size), ("run.keep", run.keep)):
        if value < 1:
            raise UserError(f"{name} is {value}.", hint="It must be at least 1.", field=name)


def _check_autoencoder(config: Config) -> None:
    auto = config.autoencoder
    factor = 2 ** (len(auto.channels) - 1)
    if auto.crop % factor or auto.crop > config.data.size:
        raise UserError(
            f"autoencoder.crop is {auto.crop}.",
            hint=f"Use a multiple of {factor} up to data.size ({config.data.size}).",
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
        if not 0 <= value <= 1:
            raise UserError(f"{name} is {value}.", hint="Use a number from 0 to 1.", field=name)
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


def _check_diffusion(config: Config) -> None:
    diffusion = config.diffusion
    if len(diffusion.attention) != len(diffusion.channels):
        raise UserError("diffusion.attention needs one value per level of channels.", field="diffusion.attention")
    if any(width % diffusion.norm_groups for width in diffusion.channels):
        raise UserError("diffusion.channels must be multiples of norm_groups.", field="diffusion.channels")
    if not diffusion.autoencoder:
        raise UserError("diffusion.autoencoder is empty.", hint="Name the folder of a finished autoencoder.")


def _set(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise UserError(f"--set {override!r} has no '='.", hint="Write --set section.key=value.")
    *sections, name = key.strip().split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
    try:
        tree[name] = tomlkit.parse(f"value = {text}").unwrap()["value"]
    except tomlkit.exceptions.ParseError:
        tree[name] = text


def _build(kind: type[Any], tree: Mapping[str, Any], place: str) -> Any:
    hints = get_type_hints(kind)
    unknown = [name for name in tree if name not in hints]
    if unknown:
        raise UserError(f"{place}{unknown[0]} is not a setting.", hint=f"Known here: {', '.join(hints)}.")
    missing = [
        one.name
        for one in dataclasses.fields(kind)
        if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING and one.name not in tree
    ]
    if missing:
        raise UserError(f"{place}{missing[0]} is missing.")
    return kind(**{name: _value(hints[name], value, f"{place}{name}") for name, value in tree.items()})


def _value(hint: Any, value: Any, place: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise UserError(f"{place} is {value!r}, expected a section.", field=place)
        return _build(hint, value, f"{place}.")
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise UserError(f"{place} is {value!r}.", hint=f"One of: {', '.join(get_args(hint))}.", field=place)
        return value
    if get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise UserError(f"{place} is {value!r}, expected a list.", field=place)
        return tuple(_value(get_args(hint)[0], one, place) for one in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(hint, type) or not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise UserError(f"{place} is {value!r}, expected {getattr(hint, '__name__', hint)}.", field=place)
    return value
