"""A whole request: sources, files, papers, interrupts, and what is refused."""

import errno
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image, PngImagePlugin

from modules.core.errors import EaselError, NotFoundError, UserError
from modules.imaging.metadata import Papers, read_metadata
from modules.imaging.saving import encode_image
from modules.processing.extras import Extras, ExtrasRequest
from modules.processing.extras.request import (
    AutoCrop,
    Captions,
    Dataset,
    Faces,
    FocalCrop,
    Folder,
    Size,
    Split,
    Target,
    Upscale,
)
from modules.processing.progress import Control, Picture, Progress

PAPER = "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 42, Size: 16x16, Model: x"
DOUBLE = {"upscale": Upscale(first="Lanczos"), "size": Size(by=2)}
WHOLE = ExtrasRequest(
    source=Folder(folder="in", output="out", show=False),
    size=Size(to=Target(width=64, height=32, crop=False), max_side=9),
    upscale=Upscale(first="Lanczos", second="Nearest", second_visibility=0.5),
    faces=Faces(gfpgan=0.1, codeformer=0.2, codeformer_weight=0.3),
    dataset=Dataset(
        split=Split(), focal=FocalCrop(), auto=AutoCrop(), flips=("Both",), captions=Captions(by="text", text="x")
    ),
    order=("Upscale",),
    save=False,
)


@pytest.mark.parametrize("request_", [ExtrasRequest(), WHOLE])
def test_requests_survive_json(request_: ExtrasRequest) -> None:
    import json

    assert ExtrasRequest.from_json(json.loads(json.dumps(request_.to_json()))) == request_


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"size": {"by": 0}}, "size.by"),
        ({"size": {"by": 65}}, "size.by"),
        ({"size": {"to": {"width": 0}}}, "size.to.width"),
        ({"upscale": {"second_visibility": 1.5}}, "upscale.second_visibility"),
        ({"faces": {"gfpgan": -1}}, "faces.gfpgan"),
        ({"dataset": {"focal": {}}}, "size.to"),
        ({"dataset": {"auto": {"min_side": 900}}}, "dataset.auto.min_side"),
        ({"dataset": {"flips": ["Sideways"]}}, "dataset.flips[0]"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_field_is_named(changed: dict, field: str) -> None:
    with pytest.raises(UserError) as told:
        ExtrasRequest.from_json(changed)
    assert told.value.field == field


def test_unknown_upscalers_and_no_picture_are_refused(studio: SimpleNamespace, asked, noise) -> None:
    extras = Extras(studio)
    with pytest.raises(NotFoundError) as told:
        extras.check(asked(noise(8, 8), upscale=Upscale(first="Lanczos", second="Lanzos")))
    assert (told.value.field, "Lanczos" in told.value.hint) == ("upscale.second", True)
    with pytest.raises(UserError) as told:
        extras.check(ExtrasRequest(upscale=Upscale(first="Lanczos")))
    assert told.value.field == "image"


def test_a_picture_of_which_nothing_is_asked_comes_back_as_it_is(studio: SimpleNamespace, asked, noise) -> None:
    made = Extras(studio).run(asked(noise(9, 7)))
    assert Image.open(made.pictures[0].path).tobytes() == noise(9, 7).tobytes()
    assert made.done == ({},)


def test_original_papers_are_kept_and_what_was_done_is_added(studio: SimpleNamespace, asked, noise) -> None:
    texts = {"parameters": PAPER, "easel": "{}", "Comment": "mine"}
    made = Extras(studio).run(asked(noise(16, 16), texts=texts, **DOUBLE))
    with Image.open(made.pictures[0].path) as picture:
        infotext, items = read_metadata(picture)
    assert infotext == made.pictures[0].infotext == PAPER
    assert {**texts, "extras": "Postprocess upscale by: 2, Postprocess upscaler: Lanczos"} == items
    assert made.pictures[0].seed == 42


def test_a_format_of_one_text_tells_what_was_done_where_nothing_was_said(studio, asked, noise) -> None:
    studio.settings.update({"samples_format": "jpg"})
    made = Extras(studio).run(asked(noise(16, 16), **DOUBLE))
    with Image.open(made.pictures[0].path) as picture:
        assert read_metadata(picture)[0] == "Postprocess upscale by: 2, Postprocess upscaler: Lanczos"


def test_results_are_numbered_in_the_folder_of_the_setting(studio: SimpleNamespace, asked, noise) -> None:
    paths = [Extras(studio).run(asked(noise(8, 8), names=("a.png",), **DOUBLE)).pictures[0].path for _ in "ab"]
    folder = studio.paths.data / "outputs" / "extras-images"
    assert [Path(one) for one in paths] == [folder / "00000.png", folder / "00001.png"]


def test_batches_keep_their_names_and_none_is_written_over(studio: SimpleNamespace, asked, noise) -> None:
    images = [noise(8, 8, seed) for seed in range(3)]
    wish = asked(*images, names=("a.png", "a.jpg", "../../b.png"), **DOUBLE)
    made = Extras(studio).run(wish)
    assert [Path(one.path).name for one in made.pictures] == ["a.png", "a-1.png", "b.png"]
    assert {Path(one.path).parent.name for one in made.pictures} == {"extras-images"}
    studio.settings.update({"use_original_name_batch": False})
    assert [Path(one.path).name for one in Extras(studio).run(wish).pictures] == ["00000.png", "00001.png", "00002.png"]


def test_pictures_that_are_not_saved_are_kept_with_the_job(studio: SimpleNamespace, asked, noise) -> None:
    made = Extras(studio).run(asked(noise(8, 8), save=False, **DOUBLE)).pictures[0]
    assert (Path(made.path).parent, made.saved) == (studio.paths.results, False)


def folder_of(studio: SimpleNamespace, noise) -> Path:
    folder = studio.paths.data / "in"
    folder.mkdir()
    paper = PngImagePlugin.PngInfo()
    paper.add_text("parameters", PAPER)
    noise(8, 8).save(folder / "b.png", pnginfo=paper)
    (folder / "a.jpg").write_bytes(encode_image(noise(8, 16), "jpg", Papers()))
    (folder / "broken.png").write_bytes(b"\x89PNG nothing more")
    (folder / "notes.txt").write_text("not a picture")
    return folder


@pytest.mark.parametrize("whole", [True, False])
def test_a_folder_is_worked_through_and_unreadable_files_are_told(studio, noise, whole: bool) -> None:
    folder = folder_of(studio, noise)
    source = Folder(folder=str(folder) if whole else "in", output="out")
    made = Extras(studio).run(ExtrasRequest(source=source, **DOUBLE))
    out = studio.paths.data / "out"
    assert [Path(one.path) for one in made.pictures] == [out / "a.png", out / "b.png"]
    assert made.pictures[1].infotext == PAPER
    assert len(made.warnings) == 1
    assert "broken.png" in made.warnings[0]


def test_a_folder_that_is_its_own_output_loses_nothing(studio: SimpleNamespace, noise) -> None:
    folder = folder_of(studio, noise)
    before = {one.name: one.read_bytes() for one in folder.iterdir()}
    made = Extras(studio).run(ExtrasRequest(source=Folder(folder="in", output="./in", show=False), **DOUBLE))
    assert made.pictures == ()
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert sorted(one.name for one in folder.iterdir()) == sorted([*before, "a.png", "b-1.png"])


@pytest.mark.parametrize(
    ("action", "expected"),
    [("Ignore", "new"), ("Keep", "old"), ("Prepend", "old new"), ("Append", "new old")],
)
def test_captions_that_exist_are_treated_as_the_setting_says(studio, noise, action: str, expected: str) -> None:
    folder = studio.paths.data / "in"
    folder.mkdir()
    noise(8, 8).save(folder / "a.png")
    (folder / "a.txt").write_text("old\n")
    studio.settings.update({"postprocessing_existing_caption_action": action})
    wish = ExtrasRequest(
        source=Folder(folder="in", output="out"), dataset=Dataset(captions=Captions(by="text", text="new"))
    )
    made = Extras(studio).run(wish).pictures[0]
    assert Path(made.path).with_suffix(".txt").read_text() == f"{expected}\n"


def test_a_disk_that_has_no_room_for_a_caption_is_told(studio, noise, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (studio.paths.data / "in").mkdir()
    noise(8, 8).save(studio.paths.data / "in" / "a.png")
    monkeypatch.setattr("modules.processing.extras.save.write_atomic", refuse)
    wish = ExtrasRequest(
        source=Folder(folder="in", output="out"), dataset=Dataset(captions=Captions(by="text", text="new"))
    )
    with pytest.raises(UserError, match="could not be saved in out: No space left"):
        Extras(studio).run(wish)


@pytest.mark.parametrize("folder", ["", "nowhere", "in.png"])
def test_a_folder_that_is_none_is_refused(studio: SimpleNamespace, noise, folder: str) -> None:
    noise(8, 8).save(studio.paths.data / "in.png")
    with pytest.raises(NotFoundError) as told:
        Extras(studio).check(ExtrasRequest(source=Folder(folder=folder), **DOUBLE))
    assert told.value.field == "source.folder"


def test_an_interrupt_keeps_what_is_there_and_a_skip_leaves_one_out(studio, asked, noise) -> None:
    wish = asked(*(noise(8, 8, seed) for seed in range(3)), names=("a.png", "b.png", "c.png"), **DOUBLE)

    def names(act, at: int) -> tuple[list[str], bool]:
        control = Control()

        def report(event: object) -> None:
            if isinstance(event, Progress) and event.image == at:
                act(control)

        made = Extras(studio).run(wish, control=control, report=report)
        return [Path(one.path).name for one in made.pictures], made.interrupted

    assert names(lambda control: control.interrupt(now=False), 1) == (["a.png", "b.png"], True)
    assert names(lambda control: control.interrupt(), 1) == (["a.png"], True)
    assert names(lambda control: control.skip(), 1) == (["a.png", "c.png"], False)


def test_progress_grows_and_every_picture_is_told(studio: SimpleNamespace, asked, noise) -> None:
    told: list[object] = []
    wish = asked(noise(8, 8), noise(8, 8, 1), faces=Faces(gfpgan=1), **DOUBLE)
    made = Extras(studio).run(wish, report=told.append)
    fractions = [one.fraction for one in told if isinstance(one, Progress)]
    assert fractions == sorted(fractions) == [0, 0.25, 0.5, 0.75]
    assert tuple(one for one in told if isinstance(one, Picture)) == made.pictures


def test_when_nothing_can_be_done_the_reason_is_raised(studio: SimpleNamespace, asked) -> None:
    wish = asked(Image.new("RGB", (9000, 2000)), upscale=Upscale(first="Lanczos"), size=Size(by=8))
    with pytest.raises(EaselError, match="pixels"):
        Extras(studio).run(wish)
    for one in studio.inputs.folder.iterdir():
        one.unlink()
    with pytest.raises(NotFoundError):
        Extras(studio).check(wish)
