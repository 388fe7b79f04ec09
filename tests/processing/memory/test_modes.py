from __future__ import annotations

import pytest

from modules.core.settings import Settings
from modules.processing.memory import MEMORY_MODE, choose_mode, memory_modes, resolve_mode


@pytest.mark.parametrize(("device", "mode"), [("cpu", "fp32"), ("cuda: NVIDIA X", "fp16"), ("mps", "fp16")])
def test_each_device_has_its_mode(device: str, mode: str) -> None:
    assert choose_mode(device) == mode


def test_the_setting_goes_before_the_device() -> None:
    assert resolve_mode(Settings(None, {"memory_mode": "bf16"})) == "bf16"
    assert resolve_mode(Settings()) in memory_modes
    assert MEMORY_MODE.options() == ["Automatic", "fp32", "bf16", "fp16"]
