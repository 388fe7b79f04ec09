"""The Extras tab and PNG Info's buttons in a real Chromium, over the real queue and upscalers."""

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.gradio_ui.services import UiServices
from modules.jobs.extras import make_extras_handler
from modules.jobs.queue import JobQueue
from modules.jobs.store import JobStore
from modules.processing.faces import Faces
from modules.processing.upscalers import Upscalers

pytestmark = pytest.mark.browser
PAPER = "a red apple\nNegative prompt: blurry\nSteps: 7, Sampler: Euler, CFG scale: 5, Seed: 42, Size: 96x64"
WAIT_MS = 120_000


@pytest.fixture(scope="module")
def site(fakes: Any, serving: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    folder = tmp_path_factory.mktemp("extras")
    paths, settings = Paths(data=folder, models=folder / "models"), Settings(folder / "config.json")
    engine = fakes.FakeEngine(folder / "inputs")
    engine.paths, engine.settings = paths, settings
    engine.upscalers, engine.faces = Upscalers(paths, settings), Faces(paths)
    queue = JobQueue(JobStore(paths.database), {"extras": make_extras_handler(engine)})
    queue.start()
    services = UiServices(engine=engine, queue=queue, settings=settings, paths=paths)
    with serving(fakes.fake_app(services)) as address:
        yield SimpleNamespace(address=address, queue=queue, folder=folder)
    queue.stop(5)


@pytest.fixture(scope="module")
def page(site: SimpleNamespace, looking: Any) -> Iterator[Any]:
    with looking(site.address) as page:
        page.wait_for_function("document.querySelector('#extras_ready textarea')?.value", timeout=WAIT_MS)
        yield page


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def saved(folder: Path, image: Image.Image, name: str = "apple.png", paper: str = PAPER) -> Path:
    chunks = PngInfo()
    chunks.add_text("parameters", paper)
    image.save(folder / name, pnginfo=chunks)
    return folder / name


def run(page: Any) -> None:
    """Press Generate and wait until this very job is over."""
    before = page.evaluate("watched.extras?.id || ''")
    page.click("#extras_generate")
    page.wait_for_function(
        f"watched.extras && watched.extras.id !== '{before}' && !watched.extras.live", timeout=WAIT_MS
    )


def shown(page: Any) -> Image.Image:
    page.wait_for_selector("#extras_results_panel .stage img.picture", timeout=WAIT_MS)
    source = page.get_attribute("#extras_results_panel .stage img.picture", "src")
    return Image.open(io.BytesIO(page.request.get(page.url + source).body()))


def test_a_picture_is_enlarged_to_the_exact_size(page: Any, site: SimpleNamespace, tmp_path: Path) -> None:
    image = noise(96, 64)
    page.click("#tab_button_extras")
    page.set_input_files("#extras_image input[type=file]", saved(tmp_path, image))
    page.wait_for_selector("#extras_image .canvas-work:not([hidden])")
    page.fill("#extras_upscaling_resize input[type=number]", "2")
    page.keyboard.press("Tab")
    run(page)
    made = shown(page)
    assert made.convert("RGB").tobytes() == image.resize((192, 128), Image.Resampling.LANCZOS).tobytes()
    assert made.info["parameters"] == PAPER
    chips = page.inner_text("#html_info_extras")
    assert "Postprocess upscaler" in chips
    assert "a red apple" in chips
    assert [one.name for one in (site.folder / "outputs" / "extras-images").iterdir()] == ["00000.png"]
    assert page.said == []


def test_scale_to_crops_and_flips_come_beside(page: Any) -> None:
    page.click("#tab_button_extras")
    page.click('[data-panel="extras_scale_to_tab"]')
    assert page.is_visible("#extras_upscaling_resize_w")
    assert not page.is_visible("#extras_upscaling_resize")
    page.fill("#extras_upscaling_resize_w input", "80")
    page.fill("#extras_upscaling_resize_h input", "80")
    page.click("#extras_flip > button.label-wrap")
    page.check("#extras_flip_horizontal input")
    run(page)
    assert shown(page).size == (80, 80)
    assert page.locator("#extras_gallery .thumbnail-item").count() == 2
    page.wait_for_function("document.getElementById('extras_flip').classList.contains('on')")
    page.uncheck("#extras_flip_horizontal input")
    page.click('[data-panel="extras_scale_by_tab"]')


def test_several_pictures_keep_their_names(page: Any, site: SimpleNamespace, tmp_path: Path) -> None:
    page.click("#tab_button_extras")
    page.click('[data-panel="extras_batch_process_tab"]')
    files = [saved(tmp_path, noise(8, 8, seed), f"n{seed}.png") for seed in range(3)]
    page.set_input_files("#extras_image_batch input", files)
    page.wait_for_function("document.getElementById('extras_batch_list').textContent.includes('n2.png')")
    run(page)
    names = {one.name for one in (site.folder / "outputs" / "extras-images").iterdir()}
    assert {"n0.png", "n1.png", "n2.png"} <= names
    page.click('[data-panel="extras_single_tab"]')


def test_a_folder_of_this_machine_is_worked_through(page: Any, tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    saved(source, noise(8, 8))
    (source / "broken.png").write_bytes(b"\x89PNG")
    page.click("#tab_button_extras")
    page.click('[data-panel="extras_batch_directory_tab"]')
    page.fill("#extras_batch_input_dir :is(input, textarea)", str(source))
    page.fill("#extras_batch_output_dir :is(input, textarea)", str(target))
    page.keyboard.press("Tab")
    run(page)
    assert [one.name for one in target.iterdir()] == ["apple.png"]
    assert "broken.png" in page.inner_text("#extras_results_panel .progress-text")
    page.click('[data-panel="extras_single_tab"]')


def test_what_cannot_be_done_is_told_beside_its_control(page: Any) -> None:
    page.click("#tab_button_extras")
    page.click("#extras_caption > button.label-wrap")
    page.wait_for_selector("#extras_caption-visible-checkbox:checked", timeout=10_000)  # unfolding switches on
    page.click("#extras_caption_by label:has-text('BLIP')")
    page.click("#extras_generate")
    page.wait_for_selector("#extras_caption_by.field-wrong", timeout=WAIT_MS)
    assert "BLIP" in page.inner_text("#html_log_extras")
    page.uncheck("#extras_caption-visible-checkbox")


@pytest.mark.parametrize("target", ["extras", "img2img", "inpaint"])
def test_png_info_sends_a_picture_and_its_paper(page: Any, tmp_path: Path, target: str) -> None:
    page.click("#tab_button_pnginfo")
    page.set_input_files("#pnginfo_image input", saved(tmp_path, noise(48, 32)))
    page.click(f"#tab_pnginfo #{target}_tab:not([disabled])")
    place = {"extras": "extras_image", "img2img": "img2img_image", "inpaint": "img2maskimg"}[target]
    page.wait_for_function(f"easel.canvases.{place}.size?.join() === '48,32'", timeout=WAIT_MS)
    assert page.is_visible(f"#{place}")
    if target != "extras":
        page.wait_for_function("document.querySelector('#img2img_prompt textarea').value === 'a red apple'")
        page.wait_for_function("document.querySelector('#img2img_steps input[type=number]').value === '7'")


def test_png_info_tells_of_other_programs(page: Any, tmp_path: Path) -> None:
    chunks = PngInfo()
    comment = {"uc": "fog", "scale": 5, "steps": 28, "sampler": "k_euler", "seed": 3, "noise": 0.2}
    for name, text in {"Software": "NovelAI", "Description": "a hill", "Comment": json.dumps(comment)}.items():
        chunks.add_text(name, text)
    noise(8, 8).save(tmp_path / "nai.png", pnginfo=chunks)
    page.click("#tab_button_pnginfo")
    page.set_input_files("#pnginfo_image input", tmp_path / "nai.png")
    page.wait_for_selector("#pnginfo_foreign:not([hidden])")
    assert "NovelAI" in page.inner_text("#pnginfo_foreign")
    assert "noise: 0.2" in page.inner_text("#pnginfo_foreign")
    page.click("#tab_pnginfo #txt2img_tab")
    page.wait_for_function("document.querySelector('#txt2img_prompt textarea').value === 'a hill'")


def test_the_picture_and_the_choices_survive_a_reload(page: Any, site: SimpleNamespace, tmp_path: Path) -> None:
    page.click("#tab_button_extras")
    page.evaluate("easel.canvases.extras_image.remove()")
    page.set_input_files("#extras_image input[type=file]", saved(tmp_path, noise(40, 30)))
    page.click('[data-panel="extras_scale_to_tab"]')
    page.fill("#extras_upscaling_resize_w input", "320")
    page.keyboard.press("Tab")
    state = site.folder / "ui-state.json"
    end = time.monotonic() + WAIT_MS / 1000
    while json.loads(state.read_text())["extras"].get("width") != 320 and time.monotonic() < end:
        time.sleep(0.2)
    page.reload()
    page.wait_for_function("uiLoaded && document.querySelector('#extras_ready textarea')?.value", timeout=WAIT_MS)
    page.wait_for_function("easel.canvases.extras_image.size?.join() === '40,30'", timeout=WAIT_MS)
    page.wait_for_function("document.querySelector('#extras_upscaling_resize_w input').value === '320'")
    assert page.is_visible("#extras_upscaling_resize_w")
