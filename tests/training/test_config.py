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
    ],
)
def test_settings_that_contradict_each_other_are_named(changes: list[str], word: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(DIFFUSION)
    read_config(path)
    with pytest.raises(UserError, match=word):
        read_config(path, changes)


def test_overrides_win(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(LEAST)
    config = read_config(path, ["optimizer.lr=1", "run.folder=elsewhere"])
    assert config.optimizer.lr == 1.0
    assert config.run.folder == "elsewhere"
