"""The Queue tab in a real Chromium over the real queue, while a training is at work."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.gradio_ui.services import UiServices
from modules.jobs.job import Job
from modules.jobs.queue import JobQueue
from modules.jobs.store import JobStore
from modules.processing.progress import Control, Picture, Progress, Report

pytestmark = pytest.mark.browser
CONFIG = {"run": {"folder": "outputs/training/fruit", "steps": 4000}}
SAMPLES = [(255, 0, 0), (0, 0, 255)]


def train(job: Job, control: Control, report: Report) -> dict[str, Any]:
    """Tells one step and two sheets of samples, then works until it is interrupted."""
    for number, colour in enumerate(SAMPLES):
        path = Path(job.request["folder"]) / f"{number}.png"
        Image.new("RGB", (64, 32), colour).save(path)
        report(Picture(path=str(path), infotext="", seed=1, variation_seed=0, width=64, height=32, kind="grid"))
    metrics = {"loss": 0.123456, "norm": 9.0, "val/psnr": 21.5}
    report(Progress(fraction=0.25, stage="train", step=1000, steps=4000, eta_s=7500.0, metrics=metrics))
    while not control.stopping:
        time.sleep(0.01)
    return {"step": 1000, "metrics": metrics, "seconds": 3.0, "interrupted": True}


@pytest.fixture
def site(fakes: Any, serving: Any, tmp_path: Path) -> Iterator[SimpleNamespace]:
    paths = Paths(data=tmp_path, models=tmp_path / "models")
    handlers = {"train": train, "generate": lambda job, control, report: {}}
    queue = JobQueue(JobStore(tmp_path / "easel.db"), handlers)
    services = UiServices(engine=fakes.FakeEngine(), queue=queue, settings=Settings(paths.config), paths=paths)
    with serving(fakes.fake_app(services)) as address:
        yield SimpleNamespace(address=address, queue=queue, folder=tmp_path)
    queue.stop(5)


@pytest.fixture
def page(site: SimpleNamespace, looking: Any) -> Iterator[Any]:
    with looking(site.address) as page:
        page.click("#tab_button_queue")
        yield page


def test_a_training_shows_its_step_loss_time_and_newest_samples(site: SimpleNamespace, page: Any) -> None:
    training = site.queue.submit("train", {"config": CONFIG, "folder": str(site.folder)})
    picture = site.queue.submit("generate", {"prompt": {"positive": "a pear"}})
    site.queue.start()
    row = f"#job_{training.id}"
    page.wait_for_selector(f"{row} .job-sample", timeout=20000)
    page.wait_for_function(f"document.querySelector('{row}').innerText.includes('0.1235')", timeout=20000)
    words = page.inner_text(row)
    for fact in ("Training fruit", "step 1000 of 4000", "loss 0.1235", "psnr 21.5", "2 h 5 min left"):
        assert fact in words
    assert "norm" not in words
    colour = page.evaluate(
        """async (row) => {
            const image = document.querySelector(`${row} .job-sample`), canvas = document.createElement("canvas");
            await image.decode();
            canvas.getContext("2d").drawImage(image, 0, 0);
            return Array.from(canvas.getContext("2d").getImageData(5, 5, 1, 1).data).slice(0, 3);
        }""",
        row,
    )
    assert tuple(colour) == SAMPLES[-1]
    assert "fruit" in page.inner_text("#queue_note"), "pictures wait and nothing says why"
    page.click(f"{row} [aria-label=Interrupt]")
    page.wait_for_selector(f"{row}.interrupted", timeout=20000)
    assert site.queue.wait(picture.id, 20).state == "done"
    page.wait_for_selector("#queue_note", state="hidden", timeout=20000)
    assert "step 1000 of 4000" in page.inner_text(row)
    page.click(f"{row} [aria-label='Continue from the last state']")
    page.wait_for_selector("li.job.running", timeout=20000)
    again = site.queue.running()
    assert again is not None
    assert (again.id != training.id, again.request) == (True, training.request)
