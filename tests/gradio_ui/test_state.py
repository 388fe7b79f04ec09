from pathlib import Path

from modules.gradio_ui.state import UiState


def test_values_survive_a_new_server(tmp_path: Path) -> None:
    state = UiState(tmp_path / "ui-state.json")
    state.put("txt2img", {"prompt": "a 苹果", "steps": 7})
    state.flush()
    assert UiState(tmp_path / "ui-state.json").get("txt2img") == {"prompt": "a 苹果", "steps": 7}


def test_a_damaged_file_is_an_empty_state(tmp_path: Path) -> None:
    path = tmp_path / "ui-state.json"
    path.write_text('{"txt2img": {"prompt"')
    assert UiState(path).get("txt2img") == {}


def test_half_a_character_costs_nothing_else_that_was_typed(tmp_path: Path) -> None:
    state = UiState(tmp_path / "ui-state.json")
    state.put("txt2img", {"prompt": "a \ud800 cat", "styles": ["\udfff", "苹果"]})
    state.put("settings", {"search": "size"})
    state.flush()
    read = UiState(tmp_path / "ui-state.json")
    assert read.get("txt2img") == state.get("txt2img") == {"prompt": "a ? cat", "styles": ["?", "苹果"]}
    assert read.get("settings") == {"search": "size"}
