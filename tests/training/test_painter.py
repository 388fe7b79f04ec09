"""Pictures of a batch are those of single requests; what was painted is not painted again."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import UserError
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.processing.engine import Engine
from modules.processing.requests import After, Generate, Prompt, Sampling, Seed, Shape
from modules.training.painter import EnginePainter, KeptPainter, Wish, native_size, weights_hash

WISHES = [Wish("red circle", 1), Wish("blue square on a red background", 1), Wish("red circle", 2)]
SAMPLING = Sampling(steps=2, cfg_scale=5)


def test_a_batch_is_what_single_requests_give(tiny_model: Path, tmp_path: Path) -> None:
    painted = EnginePainter(tiny_model, tmp_path / "work", SAMPLING)(WISHES)
    settings = Settings(values={"sd_model_checkpoint": "tiny"})
    engine = Engine(Paths(data=tmp_path / "own", extra_checkpoints=(tiny_model.parent,)), settings, hashing=False)
    for picture, wish in zip(painted, WISHES, strict=True):
        request = Generate(
            prompt=Prompt(positive=wish.prompt),
            shape=Shape(width=64, height=64),
            seed=Seed(seed=wish.seed),
            sampling=SAMPLING,
            after=After(save=False, grid=False),
        )
        alone = np.asarray(Image.open(engine.run(request).pictures[0].path))
        assert np.abs(picture.astype(int) - alone).max() <= 1
    assert (painted[0] != painted[1]).any(), "the prompt says nothing"
    assert (painted[0] != painted[2]).any(), "the seed says nothing"


def test_time_is_taken_over_whole_requests(tiny_model: Path, tmp_path: Path) -> None:
    assert 0 < EnginePainter(tiny_model, tmp_path, SAMPLING).seconds(WISHES[0]) < 60


def test_another_model_of_the_name_is_not_measured_instead(tiny_model: Path, tmp_path: Path) -> None:
    other = tmp_path / "models" / "Stable-diffusion" / "tiny"
    other.parent.mkdir(parents=True)
    other.symlink_to(tiny_model)
    copy = tmp_path / "elsewhere" / "tiny"
    shutil.copytree(tiny_model, copy)
    with pytest.raises(UserError, match="also the name of"):
        EnginePainter(copy, tmp_path, SAMPLING)(WISHES[:1])


def test_a_stopped_painter_goes_on_where_it_was(tmp_path: Path) -> None:
    wishes = [Wish(f"label {place}", place) for place in range(20)]
    asked: list[Wish] = []

    def paint(batch: Sequence[Wish]) -> np.ndarray:
        if len(asked) == 8 and not (tmp_path / "again").exists():
            raise KeyboardInterrupt
        asked.extend(batch)
        return np.stack([np.full((8, 8, 3), wish.seed, np.uint8) for wish in batch])

    with pytest.raises(KeyboardInterrupt):
        KeptPainter(paint, tmp_path / "kept")(wishes)
    (tmp_path / "again").touch()
    painted = KeptPainter(paint, tmp_path / "kept")(wishes)
    assert asked == wishes
    assert painted[:, 0, 0, 0].tolist() == list(range(20))


def test_a_prompt_has_another_picture_with_another_seed(tmp_path: Path) -> None:
    def paint(batch: Sequence[Wish]) -> np.ndarray:
        return np.stack([np.full((8, 8, 3), 10 * len(wish.prompt) + wish.seed, np.uint8) for wish in batch])

    painted = KeptPainter(paint, tmp_path)([Wish("a", 1), Wish("a", 2), Wish("ab", 1)])
    assert painted[:, 0, 0, 0].tolist() == [11, 12, 21]


def test_the_size_and_the_hash_are_the_weights_own(tiny_model: Path, tmp_path: Path) -> None:
    assert native_size(tiny_model) == 64
    before = weights_hash(tiny_model)
    (tiny_model / "README.md").write_text("a card", "utf-8")
    assert weights_hash(tiny_model) == before
    config = tiny_model / "vae" / "config.json"
    text = config.read_text("utf-8")
    config.write_text(text + "\n", "utf-8")
    assert weights_hash(tiny_model) != before
    config.write_text(text, "utf-8")
    with pytest.raises(UserError, match=r"no .*config\.json"):
        native_size(tmp_path)
