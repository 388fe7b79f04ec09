from __future__ import annotations

import contextlib

import pytest

from modules.core import settings as module
from modules.core.changes import check_may_change, refusal
from modules.core.errors import UserError
from modules.core.options import parse_options
from modules.core.registry import Registry
from modules.core.settings import Setting, Settings, define


@pytest.fixture(autouse=True)
def three_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "setting_registry", Registry("setting"))
    monkeypatch.setattr("modules.core.changes.setting_registry", module.setting_registry)
    for key, section in (("red", "Colours"), ("green", "Colours"), ("loud", "Sounds")):
        define(Setting(key, 1, key, section=section))
    define(Setting("folder", "", "Folder", section="Sounds", scope="admin"))


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
            check_may_change(Settings(), parse_options(flags), [key], owner=True)


def test_only_the_owner_changes_what_is_the_owners() -> None:
    settings, options = Settings(), parse_options([])
    check_may_change(settings, options, ["folder", "red"], owner=True)
    check_may_change(settings, options, ["red"], owner=False)
    with pytest.raises(UserError, match="folder can only be changed on the machine"):
        check_may_change(settings, options, ["red", "FOLDER"], owner=False)


def test_what_a_flag_forces_is_not_stored_in_vain() -> None:
    settings = Settings(forced={"red": 2})
    fixed = "red is fixed by the command line"
    with pytest.raises(UserError, match=fixed):
        check_may_change(settings, parse_options([]), ["red"], owner=True)
    with pytest.raises(UserError, match=fixed):
        settings.update({"green": 3, "red": 4})
    assert settings.all() == {"red": 2, "green": 1, "loud": 1, "folder": ""}
    assert refusal(module.setting_registry.get("green"), settings, parse_options([]), owner=True) is None


def test_an_unknown_setting_is_told_by_its_name() -> None:
    with pytest.raises(UserError) as told:
        check_may_change(Settings(), parse_options([]), ["gren"], owner=True)
    assert told.value.field == "gren"
    assert "green" in told.value.hint
