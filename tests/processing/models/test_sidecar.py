"""Notes beside model files: A1111's names and keys, what others wrote there is kept."""

import json

import pytest

from modules.core.errors import UserError
from modules.processing.models.sidecar import Sidecar, preview_of, preview_place, read_sidecar, write_sidecar

NOTES = Sidecar(
    description="a <b>fox</b>",
    notes="n",
    activation_text="foxy, red",
    preferred_weight=0.8,
    negative_text="blurry",
    sd_version="SD1",
)


def test_notes_are_a1111s_and_come_back(tmp_path):
    model = tmp_path / "fox.v2.safetensors"
    assert read_sidecar(model) == Sidecar()
    assert write_sidecar(model, NOTES) == tmp_path / "fox.v2.json"
    assert json.loads((tmp_path / "fox.v2.json").read_text("utf-8")) == {
        "description": "a <b>fox</b>",
        "notes": "n",
        "activation text": "foxy, red",
        "preferred weight": 0.8,
        "negative text": "blurry",
        "sd version": "SD1",
    }
    assert read_sidecar(model) == NOTES


def test_other_keys_stay(tmp_path):
    (tmp_path / "a.json").write_text('{"vae": "mine.safetensors", "notes": "old", "preferred weight": "0.5"}', "utf-8")
    assert read_sidecar(tmp_path / "a.ckpt").preferred_weight == 0.5
    write_sidecar(tmp_path / "a.ckpt", Sidecar(notes="new"))
    told = json.loads((tmp_path / "a.json").read_text("utf-8"))
    assert (told["vae"], told["notes"]) == ("mine.safetensors", "new")


@pytest.mark.parametrize("damaged", ["[]", "{", "\udcff", "null"])
def test_damaged_notes_are_read_as_none_and_never_overwritten(tmp_path, damaged):
    (tmp_path / "a.json").write_bytes(damaged.encode("utf-8", "surrogateescape"))
    (tmp_path / "a.txt").write_text("told in a text\n", "utf-8")
    assert read_sidecar(tmp_path / "a.safetensors") == Sidecar(description="told in a text")
    with pytest.raises(UserError, match="not a JSON object"):
        write_sidecar(tmp_path / "a.safetensors", NOTES)


@pytest.mark.parametrize(
    ("change", "field"), [({"sd_version": "SD9"}, "sd_version"), ({"preferred_weight": 11.0}, "preferred_weight")]
)
def test_what_makes_no_sense_is_refused(tmp_path, change, field):
    with pytest.raises(UserError) as error:
        write_sidecar(tmp_path / "a.safetensors", Sidecar(**change))
    assert error.value.field == field


def test_previews_beside_files_and_folders(tmp_path):
    model, folder = tmp_path / "a.v1.safetensors", tmp_path / "a.model"
    folder.mkdir()
    assert preview_of(model) is None
    assert preview_place(model) == tmp_path / "a.v1.preview.png"
    for name in ("a.v1.preview.png", "a.model.jpg", "a.png"):
        (tmp_path / name).write_bytes(b"x")
    assert preview_of(model) == preview_place(model) == tmp_path / "a.v1.preview.png"
    assert preview_of(folder) == tmp_path / "a.model.jpg"
    assert preview_place(folder) == tmp_path / "a.model.preview.png"
    (tmp_path / "a.v1.png").write_bytes(b"x")
    assert preview_of(model) == tmp_path / "a.v1.png"
    assert preview_of(model, {"a.v1.preview.png"}) == tmp_path / "a.v1.preview.png"
