from __future__ import annotations

import json
from pathlib import Path

import pytest

from modules.core import settings as module
from modules.core.errors import UserError
from modules.core.registry import Registry
from modules.core.settings import Setting, Settings, define

START = {"secret_path": "x", "names": ["a"], "colour": "red", "number": 5}


@pytest.fixture
def number(monkeypatch: pytest.MonkeyPatch) -> Setting[int]:
    monkeypatch.setattr(module, "setting_registry", Registry("setting"))
    define(Setting("secret_path", "x", "Path", section="Test", scope="admin"))
    define(Setting("names", ["a"], "Names", section="Test"))
    define(Setting("colour", "red", "Colour", section="Test", choices=("red", "green")))
    return define(Setting("number", 5, "Number", section="Test", minimum=1, maximum=10))


@pytest.mark.parametrize("damage", ['{"number": 7', "[]", "", "\x00\x00", '{"a": 1}}'])
def test_a_damaged_file_is_set_aside_whole(tmp_path: Path, number: Setting[int], damage: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(damage)
    assert Settings(path)[number] == 5
    assert [one.read_text() for one in tmp_path.glob("config.json.damaged-*")] == [damage]


def test_changes_are_stored_and_unknown_keys_kept(tmp_path: Path, number: Setting[int]) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"of_an_extension": [1, 2]}')
    Settings(path).update({"number": 8})
    assert json.loads(path.read_text()) == {"number": 8, "of_an_extension": [1, 2]}
    assert Settings(path)[number] == 8


@pytest.mark.parametrize("bad", [0, 11, "8", None, 2.5, True, float("nan"), [1]])
def test_one_wrong_value_changes_nothing(tmp_path: Path, number: Setting[int], bad: object) -> None:
    path = tmp_path / "config.json"
    settings = Settings(path)
    with pytest.raises(UserError, match="number"):
        settings.update({"colour": "green", "number": bad})
    assert settings.all() == START
    assert not path.exists()


@pytest.mark.parametrize("change", [{"secret_path": "\ud800"}, {"names": ["b", "\udfff"]}])
def test_half_a_character_is_refused_and_later_changes_are_stored(
    tmp_path: Path, number: Setting[int], change: dict[str, object]
) -> None:
    settings = Settings(tmp_path / "config.json")
    with pytest.raises(UserError, match="half a character"):
        settings.update(change)
    settings.update({"number": 7, "secret_path": "苹果"})
    assert Settings(tmp_path / "config.json").all() == {**START, "number": 7, "secret_path": "苹果"}


def test_a_full_disk_leaves_file_and_values(
    tmp_path: Path, number: Setting[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.json"
    settings = Settings(path)
    settings.update({"number": 7})
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="space"):
        settings.update({"number": 9})
    assert settings[number] == 7
    assert [one.name for one in tmp_path.iterdir()] == ["config.json"]
    assert path.read_bytes() == before


def test_whatever_stops_the_storing_the_values_stay(
    tmp_path: Path, number: Setting[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(tmp_path / "config.json")

    def stopped(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", stopped)
    with pytest.raises(KeyboardInterrupt):
        settings.update({"number": 9})
    assert settings.all() == START


def test_a_wrong_choice_tells_the_right_ones(number: Setting[int]) -> None:
    with pytest.raises(UserError, match="red, green"):
        Settings().update({"colour": "blue"})


def test_overrides_are_for_one_picture_and_never_for_the_owners_settings(number: Setting[int]) -> None:
    settings = Settings()
    assert settings.with_overrides({"number": 9})[number] == 9
    assert settings[number] == 5
    with pytest.raises(UserError, match="secret_path"):
        settings.with_overrides({"secret_path": "/etc"})


def test_what_the_command_line_forces_stays_and_what_it_begins_with_can_be_changed(
    tmp_path: Path, number: Setting[int]
) -> None:
    path = tmp_path / "config.json"
    Settings(path).update({"number": 2, "colour": "red"})
    settings = Settings(path, forced={"number": 9}, initial={"colour": "green"})
    assert settings.all() == {**START, "colour": "green", "number": 9}
    assert settings.with_overrides({"colour": "red", "number": 3}).all()["colour"] == "red"
    with pytest.raises(UserError, match="number is fixed by the command line"):
        settings.update({"number": 4, "colour": "red"})
    assert settings.all() == {**START, "colour": "green", "number": 9}
    settings.update({"colour": "red"})
    assert settings.all() == {**START, "number": 9}
    assert json.loads(path.read_text()) == {"colour": "red", "number": 2}
