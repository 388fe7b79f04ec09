"""What a checkpoint suggests to the form, from its family, its name and its card."""

from pathlib import Path
from typing import Any

import pytest

from modules.gradio_ui.model_view import follow_model
from modules.processing.models.catalog import ModelFile
from modules.processing.models.facts import ModelFacts, facts_from, model_facts


def file(name: str = "paint.safetensors", **facts: Any) -> ModelFile:
    return ModelFile(kind="checkpoint", path=Path(name), name=name, **facts)


@pytest.mark.parametrize(
    ("family", "prediction", "side"),
    [("sd1", "epsilon", 512), ("sd2", "epsilon", 512), ("sd2", "v_prediction", 768), ("sdxl", "epsilon", 1024)],
)
def test_the_family_tells_the_size(family: str, prediction: str, side: int) -> None:
    assert facts_from(file(family=family, prediction=prediction), {}).native_size == (side, side)


def test_a_card_wins_over_the_family(tmp_path: Path) -> None:
    folder = tmp_path / "mini"
    folder.mkdir()
    card = '{"native_size": [128, 96], "steps": 12, "cfg_scale": 5, "examples": ["red apple", 7]}'
    (folder / "easel.json").write_text(card, "utf-8")
    found = model_facts(ModelFile(kind="checkpoint", path=folder, name="mini", family="sd1"))
    assert found.defaults() == {"width": 128, "height": 96, "steps": 12, "cfg_scale": 5.0}
    assert found.examples == ("red apple",)


@pytest.mark.parametrize("size", [0, "512", [512], [512, "512"], True, [9, 9], None, 1e9])
def test_a_size_without_sense_is_left_out(size: object) -> None:
    assert facts_from(file(family="sdxl"), {"native_size": size}).native_size == (1024, 1024)


@pytest.mark.parametrize("name", ["sd_xl_turbo_1.0.safetensors", "dreamshaper-LCM.safetensors", "x_lightning_8step"])
def test_distilled_models_are_known_by_name(name: str) -> None:
    found = facts_from(file(name), {})
    assert found.few_step
    assert found.defaults()["cfg_scale"] < 2


@pytest.mark.parametrize("name", ["landscapes.safetensors", "calcmix.safetensors"])
def test_other_models_are_not(name: str) -> None:
    assert facts_from(file(name), {}) == ModelFacts(title=name)


def test_controls_follow_the_model_unless_a_person_changed_them() -> None:
    old, new = {"width": 512, "height": 512, "steps": 20}, {"width": 1024, "height": 1024, "steps": 30}
    assert follow_model({"width": 512, "height": 640, "steps": 20}, old, new) == {"width": 1024, "steps": 30}
    assert follow_model({}, {}, new) == new
    assert follow_model({"width": 512, "height": 512, "steps": 20}, {}, new) == {}
