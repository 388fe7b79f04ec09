import re

import pytest

from modules.gradio_ui.routes import ASSETS
from modules.gradio_ui.script_box import slug
from modules.gradio_ui.texts import languages, table
from modules.processing.scripts import scripts

DECLARED = ("setting", "hint", "section", "script_about", "argument", "argument_hint")  # English is in the declarations


@pytest.mark.parametrize("language", languages())
def test_every_language_has_every_key(language: str) -> None:
    assert table(language).keys() == table("en").keys() | {
        key for key in table(language) if key.split(".")[0] in DECLARED
    }


@pytest.mark.parametrize("language", languages())
def test_translations_keep_the_places_to_fill_in(language: str) -> None:
    for key, words in table("en").items():
        assert set(re.findall(r"{\w+}", words)) == set(re.findall(r"{\w+}", table(language)[key])), key


def test_every_key_that_a_script_asks_for_exists() -> None:
    for path in ASSETS.glob("*.js"):
        for key in re.findall(r"""[( ]t\("([a-z_.0-9A-Z*]+)"[,)]""", path.read_text("utf-8")):
            assert key in table("en"), f"{path.name} asks for {key}"


def test_every_setting_speaks_every_language() -> None:
    import modules.api.routes.sdapi_txt2img
    import modules.jobs.queue
    import modules.processing.engine  # noqa: F401  # all that declare settings
    from modules.core.settings import setting_registry

    for language in set(languages()) - {"en"}:  # English is in the declarations
        words = table(language)
        for one in setting_registry:
            assert f"setting.{one.key}" in words, one.key
            assert f"section.{one.section}" in words, one.section
            assert not one.hint or f"hint.{one.key}" in words, one.key


def test_every_script_speaks_every_language() -> None:
    for language in set(languages()) - {"en"}:
        words = table(language)
        for script in scripts:
            name = slug(script.title)
            assert script.about
            assert f"script_about.{name}" in words, script.title
            for one in (one for one in script.arguments if one.kind != "note"):
                assert one.hint, one
                assert f"argument.{name}.{one.name}" in words, one
                assert f"argument_hint.{name}.{one.name}" in words, one


def test_every_control_with_a_label_says_what_it_does() -> None:
    words = table("en")
    labels = {key.removeprefix("label.") for key in words if key.startswith("label.")}
    assert {one for one in labels if f"tip.{one}" not in words} == set()
