"""Jobs of kind "extras" in the real queue, and where their folders may lie."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from modules.core.errors import UserError
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.imaging.inputs import PictureStore
from modules.jobs.extras import make_extras_handler, stay_inside
from modules.jobs.queue import JobQueue
from modules.jobs.store import JobStore
from modules.processing.extras import ExtrasRequest
from modules.processing.extras.request import Folder, InputPicture, Pictures, Size, Upscale
from modules.processing.upscalers import Upscalers


@pytest.fixture
def studio(tmp_path: Path) -> SimpleNamespace:
    paths, settings = Paths(data=tmp_path, models=tmp_path / "models"), Settings(None)
    inputs, upscalers = PictureStore(paths.cache / "inputs"), Upscalers(paths, settings)
    return SimpleNamespace(paths=paths, settings=settings, inputs=inputs, upscalers=upscalers, faces=None)


def test_a_job_enlarges_and_tells_what_was_done(studio: SimpleNamespace) -> None:
    queue = JobQueue(JobStore(studio.paths.database), {"extras": make_extras_handler(studio)})
    queue.start()
    picture = InputPicture(picture=studio.inputs.put(Image.new("RGB", (20, 10), "red")))
    wish = ExtrasRequest(
        source=Pictures(pictures=(picture,)), upscale=Upscale(first="Nearest"), size=Size(by=4), save=False
    )
    done = queue.wait(queue.submit("extras", wish.to_json()).id, 30)
    shown = queue.snapshot(done.id).pictures
    queue.stop()
    assert done.state == "done", done.error
    assert done.result is not None
    assert done.result["info"]["extras"] == [{"Postprocess upscale by": "4", "Postprocess upscaler": "Nearest"}]
    assert Image.open(shown[0].path).tobytes() == Image.new("RGB", (80, 40), "red").tobytes()


@pytest.mark.parametrize(
    ("folder", "output", "field"),
    [
        ("in", "", None),
        ("in", "outputs/mine", None),
        ("/etc", "", "source.folder"),
        ("../elsewhere", "", "source.folder"),
        ("in", "in", "source.output"),
        ("in", "outputs/../in", "source.output"),
        ("in", "~nobody-there", "source.output"),
        ("in", "outputs/a\0b", "source.output"),
    ],
)
def test_folders_of_strangers_stay_inside(tmp_path: Path, folder: str, output: str, field: str | None) -> None:
    wish, paths = ExtrasRequest(source=Folder(folder=folder, output=output)), Paths(data=tmp_path)
    if field is None:
        stay_inside(wish, paths)
        return
    with pytest.raises(UserError) as told:
        stay_inside(wish, paths)
    assert told.value.field == field
