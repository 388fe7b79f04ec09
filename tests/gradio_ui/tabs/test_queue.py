"""The Queue tab in a real Chromium over the real queue, while a training is at work."""

import importlib.util
import sys
import threading
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
sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = next((one for one in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(one).exists()), None)
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
def site(tmp_path: Path) -> Iterator[SimpleNamespace]:
    import uvicorn

    path = Path(__file__).parents[1] / "fake_services.py"
    spec = importlib.util.spec_from_file_location("fake_services", path)
    assert spec is not None
    assert spec.loader is not None
    fakes = importlib.util.module_from_spec(spec)
    sys.modules["fake_services"] = fakes
    spec.loader.exec_module(fakes)
    paths = Paths(data=tmp_path, models=tmp_path / "models")
    handlers = {"train": train, "generate": lambda job, control, report: {}}
    queue = JobQueue(JobStore(tmp_path / "easel.db"), handlers)
    services = UiServices(engine=fakes.FakeEngine(), queue=queue, settings=Settings(paths.config), paths=paths)
    server = uvicorn.Server(uvicorn.Config(fakes.fake_app(services), host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < until
        time.sleep(0.01)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    yield SimpleNamespace(address=address, queue=queue, folder=tmp_path)
    server.should_exit = True
    thread.join(10)
    queue.stop(5)


@pytest.fixture
def page(site: SimpleNamespace) -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("There is no Chromium.")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 800}, locale="en-US")
        page.goto(site.address)
        page.wait_for_function("uiLoaded", timeout=30000)
        page.click("#tab_button_queue")
        yield page
        browser.close()


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
