import re

import pytest

from modules.gradio_ui.routes import ASSETS
from modules.gradio_ui.texts import languages, table


@pytest.mark.parametrize("language", languages())
def test_every_language_has_every_key(language: str) -> None:
    assert table(language).keys() == table("en").keys() | {
        key for key in table(language) if key.split(".")[0] in ("setting", "hint", "section")
    }


@pytest.mark.parametrize("language", languages())
def test_translations_keep_the_places_to_fill_in(language: str) -> None:
    for key, words in table("en").items():
        assert set(re.findall(r"{\w+}", words)) == set(re.findall(r"{\w+}", table(language)[key])), key


def test_every_key_that_a_script_asks_for_exists() -> None:
    for path in ASSETS.glob("*.js"):
        for key in re.findall(r"""[( ]t\("([a-z_.0-9A-Z]+)"[,)]""", path.read_text("utf-8")):
            assert key in table("en"), f"{path.name} asks for {key}"
