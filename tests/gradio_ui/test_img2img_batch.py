"""A batch: one request for each picture, with its mask, its name and what it says; files that are none are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from modules.core.errors import UserError
from modules.gradio_ui.img2img_batch import batch_requests
from modules.gradio_ui.img2img_request import img2img_request
from modules.imaging.inputs import PictureStore
from modules.imaging.metadata import SUFFIXES
from modules.processing.requests import InitImage, MaskedImage


@pytest.fixture
def store(tmp_path: Path) -> PictureStore:
    return PictureStore(tmp_path / "store")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    (made / "more").mkdir(parents=True)
    for at, name in enumerate(("a.png", "b.jpg", "more/c.webp")):
        Image.new("RGB", (16, 16), (at * 40, 0, 0)).save(made / name)
    (made / "broken.png").write_bytes(b"no picture")
    (made / "notes.txt").write_text("words")
    return made


def run(values: dict[str, Any], store: PictureStore, *, folders: bool = True) -> tuple[list[Any], str]:
    said = {"mode": "batch", "prompt": "paint", **values}
    requests, note = batch_requests(said, img2img_request(said, store), store, folders=folders)
    return list(requests), note


def test_a_folder_is_read_with_those_in_it_and_what_is_no_picture_is_told(folder: Path, store: PictureStore) -> None:
    values = {"batch_source": "folder", "batch_input_dir": str(folder), "batch_output_dir": "made"}
    requests, note = run(values, store)
    assert [one.after.name for one in requests] == ["a", "b", "c"]
    assert {one.after.folder for one in requests} == {"made"}
    assert all(isinstance(one.source, InitImage) for one in requests)
    assert "broken.png" in note


def test_masks_go_by_name_and_those_without_are_told(folder: Path, tmp_path: Path, store: PictureStore) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for name in ("a.png", "c.png"):
        Image.new("L", (16, 16), 255).save(masks / name)
    values = {"batch_source": "folder", "batch_input_dir": str(folder), "batch_mask_dir": str(masks)}
    requests, note = run(values, store)
    assert [type(one.source) for one in requests] == [MaskedImage, MaskedImage]
    assert "b.jpg" in note
    (masks / "a.png").unlink()
    assert len(run(values, store)[0]) == 3  # one mask is for all


def test_uploads_keep_their_names(store: PictureStore) -> None:
    reference = store.put(Image.new("RGB", (8, 8)))
    listed = f'[{{"reference": "{reference}", "name": "one.png"}}]'
    (request,), note = run({"batch_upload": listed, "batch_output_dir": "made"}, store)
    assert (request.source.images, request.after.name, note) == ((reference,), "one", "")


def test_what_a_picture_says_is_added(folder: Path, store: PictureStore) -> None:
    paper = PngImagePlugin.PngInfo()
    paper.add_text("parameters", "a fox\nNegative prompt: fog\nSteps: 9, Sampler: Euler a, CFG scale: 3, Seed: 5")
    Image.new("RGB", (16, 16)).save(folder / "a.png", pnginfo=paper)
    values = {"batch_source": "folder", "batch_input_dir": str(folder), "batch_png_info": True, "seed": 77}
    wanted = ["Prompt", "Negative prompt", "Sampler", "Steps"]
    first, second, *_ = run({**values, "batch_png_info_props": wanted}, store)[0]
    assert (first.prompt.positive, first.prompt.negative) == ("paint a fox", "fog")
    assert (first.sampling.sampler, first.sampling.steps, first.sampling.cfg_scale) == ("Euler a", 9, 7.0)
    assert first.seed.seed == 77
    assert second.prompt.positive == "paint"


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"batch_upload": "nonsense"},
        {"batch_source": "folder", "batch_input_dir": "/nowhere/at/all"},
        {"batch_source": "folder", "batch_input_dir": ""},
    ],
)
def test_nothing_to_do_is_told(values: dict[str, Any], store: PictureStore) -> None:
    with pytest.raises(UserError):
        run(values, store)


def test_folders_are_refused_where_they_may_not_be_read(folder: Path, store: PictureStore) -> None:
    listed = f'[{{"reference": "{store.put(Image.new("RGB", (8, 8)))}", "name": "one.png"}}]'
    for values in (
        {"batch_source": "folder", "batch_input_dir": str(folder)},
        {"batch_upload": listed, "batch_output_dir": str(folder)},
    ):
        with pytest.raises(UserError, match="Folders"):
            run(values, store, folders=False)
    assert len(run({"batch_upload": listed}, store, folders=False)[0]) == 1


def test_a_file_cut_off_in_the_middle_is_left_out(folder: Path, store: PictureStore) -> None:
    Image.effect_noise((64, 64), 90).save(folder / "b.jpg")
    (folder / "b.jpg").write_bytes((folder / "b.jpg").read_bytes()[:600])
    requests, _ = run({"batch_source": "folder", "batch_input_dir": str(folder), "batch_output_dir": "m"}, store)
    assert [one.after.name for one in requests] == ["a", "c"]


def test_a_folder_may_be_named_from_a_home(folder: Path, store: PictureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("USERPROFILE", str(folder.parent))
    values = {"batch_source": "folder", "batch_input_dir": "~/pictures", "batch_output_dir": " ~/made "}
    assert {one.after.folder for one in run(values, store)[0]} == {str(folder.parent / "made")}
    for control in ("batch_input_dir", "batch_output_dir"):
        with pytest.raises(UserError) as told:
            run({**values, control: "~nobody-at-all/made"}, store)
        assert told.value.field == control


def test_resizing_by_a_scale_follows_each_picture(folder: Path, store: PictureStore) -> None:
    Image.new("RGB", (40, 24)).save(folder / "b.jpg")
    values = {"batch_source": "folder", "batch_input_dir": str(folder), "resize_by": "by", "scale": 2.5}
    requests, _ = run({**values, "width": 512, "height": 512}, store)
    assert [(one.shape.width, one.shape.height) for one in requests] == [(40, 40), (100, 60), (40, 40)]


def test_every_format_that_can_be_read_is_taken_and_no_other(tmp_path: Path, store: PictureStore) -> None:
    folder = tmp_path / "formats"
    folder.mkdir()
    for suffix in SUFFIXES:
        Image.new("RGB", (16, 16)).save(folder / f"picture-of{suffix.replace('.', '-')}{suffix}")
    Image.new("RGB", (16, 16)).save(folder / "scan.tif")
    Image.new("RGB", (16, 16)).save(folder / "renamed.png", "TIFF")
    values = {"batch_source": "folder", "batch_input_dir": str(folder), "batch_output_dir": "made"}
    requests, note = run(values, store)
    assert len(requests) == len(SUFFIXES)
    assert "renamed.png" in note
    assert "scan.tif" not in note
