"""What a training run is told: one TOML file, read into frozen dataclasses and checked before anything is loaded."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import tomlkit
import tomlkit.exceptions

from modules.core.errors import UserError

Precision = Literal["fp32", "bf16", "fp16"]
Prediction = Literal["v_prediction", "epsilon", "flow_prediction"]
Schedule = Literal["scaled_linear", "cosine", "snr_adapted"]

OF_SHARES = ("popular_share", "plain_share", "variants_share")
OF_SCENES = (*OF_SHARES, "focus", "colours", "rare_colours", "blends", "placed", "pairs")  # settings in Data
OF_FOLDERS = ("crops", "size_words", "bucket_step", "bucket_ratio")


@dataclass(frozen=True)
class Run:
    """`folder` holds the states, metrics.jsonl, samples and the result. Steps are optimizer steps.

    One step learns from batch_size * accumulate samples in each process that takes part.
    """

    folder: str
    seed: int = 1
    steps: int = 1000
    batch_size: int = 16
    accumulate: int = 1  # batches whose mean gradient makes one step: large batches in little memory
    threads: int = 2
    precision: Precision = "fp32"  # of the forward pass; weights and optimizer stay fp32. fp16 on CUDA only
    gradient_checkpointing: bool = False  # compute activations twice instead of keeping them
    explosion: float = 30.0  # stop when the loss stays this many times above its running median; 0: never
    device: str = "cpu"
    log_every: int = 20
    validate_every: int = 500
    sample_every: int = 500
    save_every: int = 500
    keep: int = 2  # states kept on disk


@dataclass(frozen=True)
class Optimizer:
    """AdamW with linear warm-up, then a rate by `schedule`; `ema_decay` is reached by (1 + n) / (10 + n).

    "cosine" falls to `min_lr` at the last step. "step" multiplies the rate by `factor` every `every` steps, "plateau"
    when `every` steps brought no lower mean loss; neither goes below `min_lr`. Over the last `cooldown` steps all but
    the cosine fall in a line to `min_lr`: decide when to end while it runs.
    """

    kind: Literal["adamw", "adamw8bit"] = "adamw"  # the 8-bit one is bitsandbytes's and needs CUDA
    lr: float = 1e-3
    min_lr: float = 1e-5
    schedule: Literal["cosine", "constant", "step", "plateau"] = "cosine"
    warmup: int = 100
    cooldown: int = 0
    factor: float = 0.5
    every: int = 1000
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0
    clip: float = 1.0  # of the gradient's norm; 0: none
    ema_decay: float = 0.999


@dataclass(frozen=True)
class Data:
    """`popular_share` of the draws come from the popular subjects, `plain_share` show one subject centred on white.

    With kind "folder" pictures with captions are cut to buckets of about size * size pixels; with "fluent_emoji"
    every picture has size * size. A run may be continued with another `size`: small pictures first, then larger ones.
    """

    folder: str
    kind: Literal["fluent_emoji", "folder"] = "fluent_emoji"
    size: int = 128
    flips: bool = (
        False  # stage 2: mirrored pictures too, where neither label nor caption tells left from right or of writing
    )
    popular_share: float = 0.9
    focus: tuple[str, ...] = ()  # labels to count as the popular ones when drawing; empty: those marked in the set
    plain_share: float = 0.5
    colours: int = 10  # coloured backgrounds per popular subject, kept as latents
    rare_colours: int = 1  # the same for all other subjects
    blends: int = 0  # scenes of a popular subject on a gradient of two colours
    placed: int = 0  # scenes of a popular subject at half size, somewhere
    pairs: int = 0  # scenes of two popular subjects side by side
    variants_share: float = 0.0  # of the draws: skin tones, flags, families (built with --variants)
    bucket_step: int = 64  # folder: sides of buckets are multiples of it
    bucket_ratio: float = 2.0  # folder: the longest side of a bucket by its shortest, at most
    crops: int = 1  # folder: cuts of each picture; the first is in the middle, the others at random
    size_words: bool = False  # folder: captions may end in "low resolution", "high resolution", "cropped"


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
    zero_terminal_snr: bool = False  # end in pure noise (arXiv:2305.08891)
    noise_offset: float = 0.0  # deviation of a constant per picture and channel in the noise; 0.05 to 0.1 is usual
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
    tree = read_tree(path)
    for override in overrides:
        _set(tree, override)
    config = parse_config(tree)
    check(config)
    return config


def read_tree(path: Path) -> dict[str, Any]:
    """What the TOML file says, not checked yet."""
    try:
        return tomlkit.parse(path.read_text(encoding="utf-8")).unwrap()
    except FileNotFoundError:
        raise UserError(f"There is no config file {path.name}.") from None
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror}.") from error
    except (tomlkit.exceptions.ParseError, UnicodeDecodeError) as error:
        raise UserError(f"{path.name} is not TOML: {error}.") from error


def parse_config(tree: Mapping[str, Any]) -> Config:
    return _build(Config, tree, "")


def dump_config(config: Config) -> str:
    """TOML that read_config reads back to an equal config."""
    return tomlkit.dumps(dataclasses.asdict(config))


def check(config: Config) -> None:
    """UserError for a combination that cannot be trained."""
    _check_run(config)
    _check_data(config.data)
    if config.method == "autoencoder":
        _check_autoencoder(config)
    else:
        _check_diffusion(config)


def _check_run(config: Config) -> None:
    run, optimizer = config.run, config.optimizer
    counts = ("steps", "batch_size", "accumulate", "threads", "keep")
    rhythm = ("log_every", "validate_every", "sample_every", "save_every")
    numbers = {f"run.{key}": getattr(run, key) for key in counts + rhythm} | {"optimizer.every": optimizer.every}
    for name, value in numbers.items():
        if value < 1:
            raise UserError(f"{name} is {value}.", hint="It must be at least 1.", field=name)
    cuda = run.device.startswith("cuda")
    if run.precision == "fp16" and not cuda:
        raise UserError(
            f'run.precision is "fp16" on the device {run.device}; it works on CUDA only.',
            hint='Use "bf16" or "fp32".',
            field="run.precision",
        )
    if optimizer.kind == "adamw8bit" and not (cuda and importlib.util.find_spec("bitsandbytes")):
        lack = "bitsandbytes is not installed" if cuda else f"run.device is {run.device}"
        raise UserError(
            f'optimizer.kind is "adamw8bit", but {lack}.',
            hint='It needs CUDA and `pip install bitsandbytes`; "adamw" works everywhere.',
            field="optimizer.kind",
        )


def _check_autoencoder(config: Config) -> None:
    auto = config.autoencoder
    if config.data.kind == "folder":
        raise UserError("The autoencoder learns from the emoji set only.", field="data.kind")
    _refuse_idle(
        config.data, (*OF_SCENES, "flips"), 'method "autoencoder": it sees crops of all, half of them mirrored'
    )
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
        _check_range(name, value, 0, 1)
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
    _check_schedule(diffusion)
    _check_range("diffusion.condition_dropout", diffusion.condition_dropout, 0, 1)
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
    if diffusion.zero_terminal_snr and (diffusion.noise_offset or diffusion.schedule == "snr_adapted"):
        raise UserError(
            "diffusion.zero_terminal_snr ends in pure noise and goes with neither noise_offset nor snr_adapted.",
            hint="Choose one of the three.",
            field="diffusion.zero_terminal_snr",
        )
    other = diffusion.schedule != "scaled_linear" or diffusion.zero_terminal_snr
    if diffusion.prediction == "flow_prediction" and other:
        raise UserError(
            "flow_prediction has a straight schedule of its own, which ends in pure noise.",
            hint="Leave out diffusion.schedule and zero_terminal_snr.",
            field="diffusion.schedule",
        )


def _check_data(data: Data) -> None:
    folder = data.kind == "folder"
    _refuse_idle(data, OF_SCENES if folder else OF_FOLDERS, f"data.kind {data.kind!r}")
    ranges = {**dict.fromkeys(OF_SCENES, (0, 10**6)), **dict.fromkeys(OF_SHARES, (0, 1))}
    ranges |= {"variants_share": (0, 0.99), "bucket_ratio": (1, 8), "crops": (1, 100)}
    del ranges["focus"]
    for name, (low, high) in ranges.items():
        _check_range(f"data.{name}", getattr(data, name), low, high)
    if folder and (data.bucket_step < 8 or data.size % data.bucket_step):
        raise UserError(
            f"data.size {data.size} is not a multiple of data.bucket_step {data.bucket_step}.",
            hint="Use a bucket_step of at least 8 that divides the size.",
            field="data.bucket_step",
        )


def _refuse_idle(data: Data, names: Sequence[str], cause: str) -> None:
    usual = Data(folder=data.folder)
    for name in names:
        if getattr(data, name) != getattr(usual, name):
            raise UserError(f"data.{name} does nothing with {cause}.", hint="Leave it out.", field=f"data.{name}")


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UserError(f"{name} is {value}.", hint=f"Use a number from {low} to {high}.", field=name)


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
        name = f"{place}{unknown[0]}"
        raise UserError(f"{name} is not a setting.", hint=f"Known here: {', '.join(hints)}.", field=name)
    missing = [
        one.name
        for one in dataclasses.fields(kind)
        if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING and one.name not in tree
    ]
    if missing:
        raise UserError(f"{place}{missing[0]} is missing.", field=f"{place}{missing[0]}")
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
