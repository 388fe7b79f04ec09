import pytest

from modules.core.errors import UserError
from modules.core.settings import Settings
from modules.gradio_ui import options  # noqa: F401  declares localization
from modules.gradio_ui.keys import KEYS, chosen_keys, spell
from modules.gradio_ui.texts import table


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ctrl+enter", "Ctrl+Enter"),
        (" Shift + Cmd+k", "Ctrl+Shift+K"),
        ("alt+left", "Alt+ArrowLeft"),
        ("esc", "Escape"),
        ("?", "?"),
        ("Ctrl++", "Ctrl++"),
        ("+", "+"),
        ("f5", "F5"),
        ("", ""),
    ],
)
def test_a_combination_has_one_spelling(text: str, found: str) -> None:
    assert spell(text) == found
    assert spell(found) == found


@pytest.mark.parametrize("text", ["Ctrl", "Ctrl+", "a+b", "Ctrl+Nonsense", "Enter+Ctrl", "Ctrl+Alt"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="not a key"):
        spell(text, "key_save")


def test_the_defaults_are_spelled_and_differ_and_have_words() -> None:
    keys = chosen_keys(Settings())
    assert [spell(one) for one in keys.values()] == [*keys.values()]
    assert len({*keys.values()}) == len(KEYS)
    assert all(f"keys.{action}" in table("en") for action in keys)


def test_two_actions_never_share_a_key() -> None:
    settings = Settings()
    for changes in ({"key_save": "ctrl+enter"}, {"key_help": "H", "KEY_save": "Cmd+enter"}):
        with pytest.raises(UserError, match="Generate"):
            settings.update(changes)
    assert chosen_keys(settings) == chosen_keys(Settings())
    settings.update({"key_save": "Ctrl+S", "localization": "en"})
    settings.update({"key_save": "Ctrl+Enter", "key_generate": "Ctrl+G"})
    settings.update({"key_save": "", "key_help": ""})
    assert (settings.get("key_generate"), settings.get("key_save"), settings.get("key_help")) == ("Ctrl+G", "", "")
