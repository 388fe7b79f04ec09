from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from modules.training import checkpoints
from modules.training.checkpoints import State, load_latest, save


def state(step: int) -> State:
    tensors = {"w": torch.full((3, 2), float(step)), "flag": torch.tensor([True])}
    return State(step, tensors, {"w": tensors["w"] / 2}, step, {"w/step": torch.tensor(1.0)}, config={"lr": 0.1})


def flip_a_bit(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[-2] ^= 1
    file.write_bytes(raw)


def cut_in_half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def say_another_step(file: Path) -> None:
    file.write_text(file.read_text().replace('"step": 4', '"step": 5'))


DAMAGES: list[tuple[str, Callable[[Path], None]]] = [
    (checkpoints.TENSORS, flip_a_bit),
    (checkpoints.TENSORS, cut_in_half),
    (checkpoints.TENSORS, Path.unlink),
    (checkpoints.ABOUT, cut_in_half),
    (checkpoints.ABOUT, Path.unlink),
    (checkpoints.ABOUT, say_another_step),
    (checkpoints.ABOUT, lambda file: file.write_text("[]")),
]


@pytest.mark.parametrize(("name", "damage"), DAMAGES)
def test_damaged_state_is_set_aside_and_the_one_before_is_used(
    name: str, damage: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path, state(2), keep=2)
    newest = save(tmp_path, state(4), keep=2)
    damage(newest / name)
    with caplog.at_level(logging.WARNING):
        used = load_latest(tmp_path)
    assert used is not None
    assert used.step == 2
    assert used.parameters["w"].tolist() == [[2.0, 2.0]] * 3
    assert "step-0000004 is damaged" in caplog.text
    assert newest.with_suffix(".damaged").is_dir()
    assert [one.name for one in checkpoints.found(tmp_path)] == ["step-0000002"]


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    save(tmp_path, state(7), keep=1)
    back = load_latest(tmp_path)
    assert back is not None
    assert back.parameters["flag"].dtype == torch.bool
    assert (back.step, back.ema_updates, back.config) == (7, 7, {"lr": 0.1})
    assert back.ema["w"].tolist() == [[3.5, 3.5]] * 3


def test_only_the_newest_are_kept_and_nothing_is_a_pickle(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save(tmp_path, state(step), keep=2)
    assert [one.name for one in checkpoints.found(tmp_path)] == ["step-0000002", "step-0000003"]
    files = {file.name for file in tmp_path.rglob("*") if file.is_file()}
    assert files == {checkpoints.TENSORS, checkpoints.ABOUT}


def test_state_of_an_older_easel_is_read(tmp_path: Path) -> None:
    """As they were written before there were checksums."""
    from safetensors.torch import save_file

    folder = tmp_path / "states" / "step-0000003"
    folder.mkdir(parents=True)
    tensors = {"parameters/w": torch.ones(1), "ema/w": torch.zeros(1), "optimizer/w/step": torch.tensor(3.0)}
    save_file(tensors, folder / "state.safetensors")
    (folder / "state.json").write_text('{"step": 3, "ema_updates": 3}')
    found = load_latest(tmp_path)
    assert found is not None
    assert found.step == 3
    assert found.optimizer["w/step"] == 3.0
