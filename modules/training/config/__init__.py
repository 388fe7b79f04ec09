"""What a training run is told: one TOML file, read into frozen dataclasses and checked before anything is loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import tomlkit

from modules.core.errors import UserError
from modules.training.config.autoencoder import Adversarial, Autoencoder, Codebook, check_autoencoder
from modules.training.config.data import Data, check_data
from modules.training.config.diffusion import (
    Denoising,
    Diffusion,
    Prediction,
    Schedule,
    check_denoising,
    check_diffusion,
)
from modules.training.config.reading import build, read_tree, set_value
from modules.training.config.run import Optimizer, Precision, Run, check_run
from modules.training.config.tuning import (
    FILEWORDS,
    NAME,
    Base,
    Concept,
    Dreambooth,
    Finetune,
    Lora,
    Output,
    Prior,
    TextualInversion,
    check_base,
    check_dreambooth,
    check_finetune,
    check_lora,
    check_prior,
    check_textual_inversion,
)

__all__ = [
    "FILEWORDS",
    "NAME",
    "TUNING",
    "USES",
    "Adversarial",
    "Autoencoder",
    "Base",
    "Codebook",
    "Concept",
    "Config",
    "Data",
    "Denoising",
    "Diffusion",
    "Dreambooth",
    "Finetune",
    "Lora",
    "Optimizer",
    "Output",
    "Precision",
    "Prediction",
    "Prior",
    "Run",
    "Schedule",
    "TextualInversion",
    "check",
    "check_trainer",
    "dump_config",
    "parse_config",
    "read_config",
    "read_tree",
    "tunes",
]

Method = Literal["autoencoder", "latent_diffusion", "lora", "dreambooth", "textual_inversion", "finetune"]
TUNING = ("lora", "dreambooth", "textual_inversion", "finetune")  # methods that begin with a finished model
OF_TUNING = ("keep_best", "patience", "stop_when_worse")  # settings in Run
USES: Mapping[str, tuple[str, ...]] = {  # sections beside run, data and optimizer
    "autoencoder": ("autoencoder",),
    "latent_diffusion": ("diffusion",),
    "lora": ("base", "denoising", "lora", "prior", "output"),
    "dreambooth": ("base", "denoising", "lora", "finetune", "prior", "dreambooth", "output"),
    "textual_inversion": ("base", "denoising", "textual_inversion", "output"),
    "finetune": ("base", "denoising", "finetune", "prior", "output"),
}


@dataclass(frozen=True)
class Config:
    method: Method
    run: Run
    data: Data
    optimizer: Optimizer = field(default_factory=Optimizer)
    autoencoder: Autoencoder = field(default_factory=Autoencoder)
    diffusion: Diffusion = field(default_factory=Diffusion)
    base: Base = field(default_factory=Base)
    denoising: Denoising = field(default_factory=Denoising)  # of fine-tuning; that of stage 2 is in `diffusion`
    lora: Lora = field(default_factory=Lora)
    textual_inversion: TextualInversion = field(default_factory=TextualInversion)
    prior: Prior = field(default_factory=Prior)
    dreambooth: Dreambooth = field(default_factory=Dreambooth)
    finetune: Finetune = field(default_factory=Finetune)
    output: Output = field(default_factory=Output)


def read_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """The checked config in `path`; `overrides` are "section.key=value" with a TOML value (or a bare word)."""
    tree = read_tree(path)
    for override in overrides:
        set_value(tree, override)
    config = parse_config(tree)
    check(config)
    return config


def parse_config(tree: Mapping[str, Any]) -> Config:
    return build(Config, tree, "")


def dump_config(config: Config) -> str:
    """TOML that read_config reads back to an equal config."""
    return tomlkit.dumps(dataclasses.asdict(config))


def tunes(config: Config) -> Literal["lora", "textual_inversion", "all"]:
    """What of a finished model the method changes."""
    if config.method == "dreambooth":
        return config.dreambooth.trains
    if config.method == "textual_inversion":
        return "textual_inversion"
    return "lora" if config.method == "lora" else "all"


def check(config: Config) -> None:
    """UserError for a combination that cannot be trained."""
    check_run(config.run, config.optimizer)
    check_data(config.data)
    if config.method not in TUNING:
        _refuse_idle_run(config)
    if config.method == "autoencoder":
        check_autoencoder(config.autoencoder, config.data)
    elif config.method == "latent_diffusion":
        check_diffusion(config.diffusion)
    else:
        _check_tuning(config)


def check_trainer(config: Config) -> None:
    """UserError for a method that has settings but no trainer in this version."""
    if config.method in TUNING:
        raise UserError(
            f"method {config.method!r} can be checked but not trained in this version.",
            hint='Use "autoencoder" or "latent_diffusion".',
            field="method",
        )


def _refuse_idle_run(config: Config) -> None:
    for name in OF_TUNING:
        if getattr(config.run, name) != getattr(Run(""), name):
            raise UserError(
                f"run.{name} does nothing with the method {config.method}.", hint="Leave it out.", field=f"run.{name}"
            )


def _check_tuning(config: Config) -> None:
    if config.data.kind != "folder":
        raise UserError(
            f"The method {config.method} learns from a folder of pictures.",
            hint='Use data.kind = "folder".',
            field="data.kind",
        )
    check_base(config.base)
    check_denoising(config.denoising, "denoising")
    _refuse_idle_sections(config)
    kind = tunes(config)
    if config.method == "dreambooth":
        check_dreambooth(config.dreambooth, config.prior, config.data)
    if kind == "lora":
        check_lora(config.lora)
    if kind == "all":
        check_finetune(config.finetune)
    if kind == "textual_inversion":
        check_textual_inversion(config.textual_inversion)
    check_prior(config.prior, adapter=kind == "lora", concepts=bool(config.dreambooth.concepts))


def _refuse_idle_sections(config: Config) -> None:
    used = set(USES[config.method])
    if config.method == "dreambooth":
        used -= {"lora"} if config.dreambooth.trains == "all" else {"finetune"}
    for one in dataclasses.fields(config):
        section = getattr(config, one.name)
        always = one.name in ("method", "run", "data", "optimizer")
        if always or one.name in used or section == type(section)():
            continue
        which = f"{config.method} of {config.dreambooth.trains}" if config.method == "dreambooth" else config.method
        raise UserError(
            f"The section [{one.name}] does nothing with the method {which}.", hint="Leave it out.", field=one.name
        )
