"""The Checkpoint Merger tab in a real Chromium, over the real queue, catalog and files."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.gradio_ui.services import UiServices
from modules.jobs.merge import make_merge_handler
from modules.jobs.queue import JobQueue
from modules.jobs.store import JobStore
from modules.processing.models.catalog import ModelCatalog
from modules.processing.models.hashes import HashCache
from modules.processing.networks.files import NetworkFiles

pytestmark = pytest.mark.browser
CROSS = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
LORA = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, fakes: Any, serving: Any) -> Iterator[SimpleNamespace]:
    data = tmp_path_factory.mktemp("merger")
    checkpoints, loras = data / "models" / "Stable-diffusion", data / "models" / "Lora"
    for folder in (checkpoints, loras):
        folder.mkdir(parents=True)
    for name, value in (("first", 0.0), ("second", 1.0)):
        first = {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(320, 4, 3, 3)}
        save_file({**first, CROSS: torch.full((320, 768), value)}, checkpoints / f"{name}.safetensors")
    pair = {f"{LORA}.lora_up.weight": torch.ones(320, 1), f"{LORA}.lora_down.weight": torch.ones(1, 768)}
    save_file(pair, loras / "more.safetensors")
    paths, settings = Paths(data=data, models=data / "models"), Settings(data / "config.json")
    hashes = HashCache(paths.cache, enabled=False)
    engine = fakes.FakeEngine(data / "inputs")
    engine.paths, engine.settings, engine.catalog = paths, settings, ModelCatalog(paths, hashes)
    engine.networks = NetworkFiles(paths, hashes)
    queue = JobQueue(JobStore(paths.database), {"merge": make_merge_handler(engine)})
    queue.start()
    with serving(fakes.fake_app(UiServices(engine=engine, queue=queue, settings=settings, paths=paths))) as address:
        yield SimpleNamespace(address=address, checkpoints=checkpoints, loras=loras, settings=settings)
    queue.stop(5)


@pytest.fixture(scope="module")
def page(site: SimpleNamespace, looking: Any) -> Iterator[Any]:
    with looking(site.address) as page:
        page.click("#tab_button_modelmerger")
        yield page
        assert page.said == []


def choose(page: Any, name: str, value: str) -> None:
    page.fill(f"#modelmerger_{name} input", value)
    page.keyboard.press("Enter")


def call_it(page: Any, name: str) -> None:
    page.fill("#modelmerger_custom_name :is(input, textarea)", name)
    page.keyboard.press("Tab")


def merged(page: Any, name: str) -> None:
    page.click("#modelmerger_merge")
    page.wait_for_function("(name) => document.getElementById('modelmerger_job').innerText.includes(name)", arg=name)


def test_what_is_missing_is_told_beside_its_control(page: Any) -> None:
    page.click("#modelmerger_merge")
    page.wait_for_selector("#modelmerger_primary_model_name.field-wrong")
    assert "primary" in page.inner_text("#html_log_modelmerger")


def test_two_checkpoints_and_a_lora_become_one_that_can_be_used(page: Any, site: SimpleNamespace) -> None:
    choose(page, "primary_model_name", "first")
    choose(page, "secondary_model_name", "second")
    page.fill("#modelmerger_interp_amount input[type=number]", "0.25")
    page.fill("#modelmerger_networks :is(input, textarea)", "<lora:more:0.5>")
    call_it(page, "both")
    merged(page, "Saved as both.safetensors")
    assert not page.inner_text("#html_log_modelmerger")
    found: torch.Tensor = load_file(site.checkpoints / "both.safetensors")[CROSS]
    torch.testing.assert_close(found, torch.full((320, 768), 0.25 + 0.5))
    page.click("#modelmerger_use")
    page.wait_for_function("document.getElementById('checkpoint_choice').value === 'both.safetensors'")
    assert site.settings.get("sd_model_checkpoint") == "both.safetensors"


def test_a_lora_is_taken_out_of_two_checkpoints_and_put_into_the_prompt(page: Any, site: SimpleNamespace) -> None:
    page.click('[data-nav="mode_modelmerger"] [data-value="extract"]')
    choose(page, "tuned", "second")
    choose(page, "base", "first")
    call_it(page, "taken")
    merged(page, "Saved as taken.safetensors")
    found = load_file(site.loras / "taken.safetensors")
    up, down = (found[f"{LORA}.lora_{one}.weight"].float() for one in ("up", "down"))
    torch.testing.assert_close(up @ down, torch.ones(320, 768), rtol=0, atol=2e-3)
    page.click("#modelmerger_use")
    assert page.input_value("#txt2img_prompt textarea") == "<lora:taken:1>"
    assert page.is_visible("#txt2img_prompt")


def test_a_reload_keeps_the_form_and_the_last_result(page: Any) -> None:
    page.reload()
    page.wait_for_function("uiLoaded && document.querySelector('#modelmerger_ready textarea')?.value")
    page.click("#tab_button_modelmerger")
    page.wait_for_function("document.getElementById('modelmerger_job').innerText.includes('taken.safetensors')")
    page.wait_for_selector("#modelmerger_tuned", state="visible")
    assert Path(page.input_value("#modelmerger_custom_name :is(input, textarea)")).name == "taken"
