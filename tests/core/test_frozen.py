from __future__ import annotations

import contextlib

import pytest

from modules.core import settings as module
from modules.core.errors import UserError
from modules.core.frozen import refuse_frozen
from modules.core.options import parse_options
from modules.core.registry import Registry
from modules.core.settings import Setting, define


@pytest.fixture(autouse=True)
def three_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "setting_registry", Registry("setting"))
    monkeypatch.setattr("modules.core.frozen.setting_registry", module.setting_registry)
    for key, section in (("red", "Colours"), ("green", "Colours"), ("loud", "Sounds")):
        define(Setting(key, 1, key, section=section))


@pytest.mark.parametrize(
    ("flags", "frozen"),
    [
        ([], set()),
        (["--freeze-settings"], {"red", "green", "loud"}),
        (["--freeze-settings-in-sections", "Colours, Nothing"], {"red", "green"}),
        (["--freeze-specific-settings", "green,loud"], {"green", "loud"}),
    ],
)
def test_what_is_frozen_is_refused_and_nothing_else(flags: list[str], frozen: set[str]) -> None:
    for key in ("red", "green", "loud"):
        with pytest.raises(UserError, match=key) if key in frozen else contextlib.nullcontext():
            refuse_frozen(parse_options(flags), key)
