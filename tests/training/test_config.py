from __future__ import annotations

from pathlib import Path

import pytest

from modules.core.errors import UserError
from modules.training.config import dump_config, read_config

RECIPES = Path(__file__).parents[2] / "modules" / "training" / "recipes"
LEAST = 'method = "autoencoder"\n[run]\nfolder = "x"\n[data]\nfolder = "y"\n'


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.toml")), ids=lambda path: path.stem)
def test_recipes_are_valid_and_survive_saving(path: Path, tmp_path: Path) -> None:
    config = read_config(path)
    (tmp_path / "config.toml").write_text(dump_config(config))
    assert read_config(tmp_path / "config.toml") == config


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("run.stepz=3", "stepz"),
        ("run.steps=many", "run.steps"),
        ("run.steps=0", "run.steps"),
        ("autoencoder.crop=60", "autoencoder.crop"),
        ("method=magic", "magic"),
        ("autoencoder.channels=[10,10]", "norm_groups"),
        ("run.precision=int3", "int3"),
        ("run.precision=fp16", "CUDA only"),
        ("run.accumulate=0", "run.accumulate"),
        ("run.save_every=0", "run.save_every"),
        ("optimizer.kind=adamw8bit", "adamw8bit.*run.device is cpu"),
        ("optimizer.schedule=linear", "plateau"),
        ("autoencoder.kind=vae", "vae"),
        ("autoencoder.whole_share=2", "whole_share"),
        ("autoencoder.codebook.size=1", "codebook.size"),
        ("autoencoder.codebook.decay=99", "codebook.decay"),
        ("autoencoder={l1_weight=0, l2_weight=0, edge_weight=0}", "how near"),
        ("autoencoder={crop=16, adversarial={weight=0.5}}", "discriminator"),
        ("autoencoder.adversarial={weight=0.5, penalty_every=0}", "penalty_every"),
        ("autoencoder.adversarial.weight=-1", "adversarial.weight"),
        ("data.flips=true", "data.flips does nothing"),
        ("data.pairs=5", "data.pairs does nothing"),
    ],
)
def test_mistakes_are_named(change: str, word: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(LEAST)
    with pytest.raises(UserError, match=word):
        read_config(path, [change])


DIFFUSION = """
method = "latent_diffusion"
[run]
folder = "x"
[data]
folder = "y"
[diffusion]
autoencoder = "z"
"""


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        (["diffusion.zero_terminal_snr=true", "diffusion.prediction=epsilon"], "epsilon"),
        (["diffusion.schedule=cosine", "diffusion.prediction=epsilon"], "epsilon"),
        (["diffusion.zero_terminal_snr=true", "diffusion.noise_offset=0.1"], "noise_offset"),
        (["diffusion.zero_terminal_snr=true", "diffusion.schedule=snr_adapted"], "snr_adapted"),
        (["diffusion.prediction=flow_prediction", "diffusion.schedule=cosine"], "straight"),
        (["diffusion.beta_end=0.0001"], "beta_start"),
        (["data.crops=3"], "data.crops"),
        (["data.size_words=true"], "data.size_words"),
        *(
            (["data.kind=folder", f"data.{setting}"], f"data.{setting.split('=')[0]} does nothing")
            for setting in (
                *("variants_share=0.1", "popular_share=0.5", "plain_share=0.7", 'focus=["cat"]'),
                *("colours=3", "rare_colours=0", "blends=3", "placed=3", "pairs=3"),
            )
        ),
        (["data.popular_share=1.1"], "popular_share"),
        (["data.plain_share=-0.1"], "plain_share"),
        (["data.pairs=-1"], "pairs"),
        (["diffusion.condition_dropout=1.5"], "condition_dropout"),
        (["diffusion.text_heads=5"], "heads"),
        (["diffusion.text_heads=0"], "heads"),
        (["data.kind=folder", "data.size=100"], "bucket_step"),
        (["data.kind=folder", "data.bucket_ratio=0.5"], "bucket_ratio"),
        (["data.variants_share=1"], "variants_share"),
        (["data.kind=folder", "method=autoencoder"], "emoji"),
        (["run.keep_best=false"], "run.keep_best does nothing"),
        (["run.patience=5"], "run.patience does nothing"),
        (["run.stop_when_worse=true"], "run.stop_when_worse does nothing"),
    ],
)
def test_settings_that_contradict_each_other_are_named(changes: list[str], word: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(DIFFUSION)
    read_config(path)
    with pytest.raises(UserError, match=word):
        read_config(path, changes)


TUNING = """
method = "lora"
[run]
folder = "x"
[data]
folder = "y"
kind = "folder"
[base]
checkpoint = "easel-mini"
"""
SUBJECT = ["method=dreambooth", "dreambooth.prompt=a sks dog"]
INVERSION = ["method=textual_inversion", "textual_inversion.token=sks"]


@pytest.mark.parametrize(
    "changes",
    [
        [],
        ["lora={rank=4, conv_rank=4, conv_alpha=2, rslora=true, blocks=['mid_block']}", "denoising.min_snr=5"],
        ["prior={kind='prediction', class_prompt='a dog'}"],
        ["method=finetune", "finetune={text_encoder=true, text_encoder_lr=1e-6}"],
        SUBJECT,
        [*SUBJECT, "dreambooth.trains=all", "prior={kind='pictures', class_prompt='a dog', folder='dogs'}"],
        ["method=dreambooth", "dreambooth.concepts=[{folder='a', prompt='sks dog'}, {folder='b', prompt='ohwx cat'}]"],
        INVERSION,
        [*INVERSION, "textual_inversion.templates=['[name], [filewords]']"],
    ],
)
def test_fine_tuning_survives_saving(changes: list[str], tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(TUNING)
    config = read_config(path, changes)
    path.write_text(dump_config(config))
    assert read_config(path) == config


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        (["base.checkpoint="], "base.checkpoint"),
        (["base.clip_skip=0"], "base.clip_skip"),
        (["data.kind=fluent_emoji"], "data.kind"),
        (["lora.rank=0"], "lora.rank"),
        (["lora.conv_alpha=2"], "lora.conv_alpha"),
        (["lora={dora=true, dropout=0.1}"], "lora.dropout"),
        (["lora={text_encoder=false, text_encoder_lr=1}"], "lora.text_encoder_lr"),
        (["finetune.text_encoder=true"], "finetune"),
        (["diffusion.min_snr=5"], "diffusion"),
        (["denoising={zero_terminal_snr=true, noise_offset=0.1}"], "denoising.zero_terminal_snr"),
        (["prior.kind=prediction"], "prior.class_prompt"),
        (["prior={kind='prediction', class_prompt='dog', folder='dogs'}"], "prior.folder"),
        (["method=finetune", "prior={kind='prediction', class_prompt='dog'}"], "prior.kind"),
        (["method=dreambooth"], "dreambooth.prompt"),
        ([*SUBJECT, "finetune.text_encoder=true"], "finetune"),
        ([*SUBJECT, "dreambooth.trains=all", "lora.rank=4"], "lora"),
        ([*SUBJECT, "dreambooth.concepts=[{folder='a', prompt='b'}]"], "dreambooth.prompt"),
        (["method=dreambooth", "dreambooth.concepts=[{folder='a', prompt=''}]"], "dreambooth.concepts.0.prompt"),
        (["method=textual_inversion"], "textual_inversion.token"),
        ([*INVERSION, "textual_inversion.token=a:b"], "textual_inversion.token"),
        ([*INVERSION, "textual_inversion.templates=['a photo']"], "textual_inversion.templates"),
        ([*INVERSION, "prior={kind='prediction', class_prompt='dog'}"], "prior"),
        ([*INVERSION, "textual_inversion.vectors=76"], "textual_inversion.vectors"),
        (["optimizer.kind=prodigy"], "optimizer.kind"),
        (["run.patience=0"], "run.patience"),
    ],
)
def test_fine_tuning_that_cannot_be_is_refused_by_field(changes: list[str], field: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(TUNING)
    with pytest.raises(UserError) as told:
        read_config(path, changes)
    assert told.value.field == field


def test_overrides_win(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(LEAST)
    config = read_config(path, ["optimizer.lr=1", "run.folder=elsewhere"])
    assert config.optimizer.lr == 1.0
    assert config.run.folder == "elsewhere"
