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
        ("autoencoder.kind=vae", "vae"),
        ("autoencoder.whole_share=2", "whole_share"),
        ("autoencoder.codebook.size=1", "codebook.size"),
        ("autoencoder.codebook.decay=99", "codebook.decay"),
        ("autoencoder={l1_weight=0, l2_weight=0, edge_weight=0}", "how near"),
        ("autoencoder={crop=16, adversarial={weight=0.5}}", "discriminator"),
        ("autoencoder.adversarial={weight=0.5, penalty_every=0}", "penalty_every"),
        ("autoencoder.adversarial.weight=-1", "adversarial.weight"),
    ],
)
def test_mistakes_are_named(change: str, word: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(LEAST)
    with pytest.raises(UserError, match=word):
        read_config(path, [change])


def test_overrides_win(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(LEAST)
    config = read_config(path, ["optimizer.lr=1", "run.folder=elsewhere"])
    assert config.optimizer.lr == 1.0
    assert config.run.folder == "elsewhere"
