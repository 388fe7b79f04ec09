from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from modules.core.errors import EaselError
from modules.training import checkpoints, disk
from modules.training.config import Config
from modules.training.loop import train
from tests.training.toy import Toy

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
FULL_IN_RUST = SafetensorError(f"Error while serializing: I/O error: No space left (os error {errno.ENOSPC})")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "POLL_S", 0.0)


def failing(error: Exception, times: int) -> Callable[[], str]:
    left = iter([error] * times)

    def write() -> str:
        for one in left:
            raise one
        return "written"

    return write


@pytest.mark.parametrize("error", [FULL, FULL_IN_RUST])
def test_full_disk_is_a_pause_with_a_message(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    with caplog.at_level(logging.WARNING):
        assert disk.when_there_is_room(failing(error, 3), lambda: False, told.append) == "written"
    assert caplog.text.count("The disk is full") == 3
    assert told == [disk.MESSAGE] * 3 + [""]
    disk.when_there_is_room(failing(error, 0), lambda: False, told.append)
    assert len(told) == 4, "nothing was waited for"


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "no"), SafetensorError("header too large"), ValueError("x")])
def test_other_errors_are_not_waited_out(error: Exception) -> None:
    with pytest.raises(type(error)):
        disk.when_there_is_room(failing(error, 1), lambda: False)


def test_stopping_ends_the_wait_and_the_state_before_stays_whole(
    toy_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills up at step 6; the person stops the run in the pause."""
    folder, whole, asked = Path(toy_config.run.folder), checkpoints.save_file, iter(range(100))

    def full(tensors: dict[str, torch.Tensor], path: Path) -> None:
        if "step-0000006" in str(path):
            path.write_bytes(b"half")
            raise FULL
        whole(tensors, path)

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(EaselError, match="stopped while the disk was full"):
        train(toy_config, Toy(toy_config), stopping=lambda: next(asked) > 10)
    assert [one.name for one in (folder / "states").iterdir()] == ["step-0000003"], "half a state takes no room"
    monkeypatch.undo()
    train(toy_config, Toy(toy_config))
    state = checkpoints.load_latest(folder)
    assert state is not None
    assert state.step == 16
