"""What all readers of other programs' pictures have in common."""

import json

import pytest

from modules.imaging.foreign import read_any, read_foreign, readers
from modules.imaging.foreign.names import SAMPLERS, SCHEDULERS, SCHEDULES
from modules.processing.samplers import samplers
from modules.processing.schedules import schedules
from tests.imaging.foreign.written import A1111, graph, saved


@pytest.mark.parametrize(
    "texts",
    [
        {},
        {"parameters": A1111},
        {"parameters": A1111, "prompt": json.dumps(graph())},
        {"prompt": "a plain text"},
        {"prompt": "[1, 2]", "workflow": "null"},
        {"prompt": "{" * 5000},
        {"Comment": '{"steps": 3}', "Software": "GIMP"},
        {"invokeai_metadata": "no JSON"},
    ],
)
def test_everything_else_is_left_alone(texts: dict[str, str]) -> None:
    infotext, items, found = read_any(saved(texts))
    assert found is None
    assert infotext == texts.get("parameters", "")
    assert items == texts


def test_every_name_leads_to_one_of_ours() -> None:
    assert {one for one in (*SAMPLERS.values(), *SCHEDULERS.values()) if one not in samplers} == set()
    assert {one for one in SCHEDULES.values() if one not in schedules} == set()


def test_a_reader_that_fails_leaves_the_picture_to_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(items: object, size: object) -> None:
        raise KeyError("x")

    items = {"prompt": json.dumps(graph())}
    monkeypatch.setattr("modules.imaging.foreign.readers", {"Broken": fail, **dict(readers.items())})
    found = read_foreign(items, 64, 48)
    assert found is not None
    assert found.program == "ComfyUI"
    monkeypatch.setattr("modules.imaging.foreign.readers", {"Broken": fail})
    assert read_foreign(items, 64, 48) is None
    assert "The reader of Broken failed." in caplog.text
