from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from modules.core.errors import ModelError, NotFoundError, UserError
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.processing.models import catalog as catalog_file
from modules.processing.models.catalog import ModelCatalog, check_choice
from modules.processing.models.hashes import HashCache
from modules.processing.models.vae import choose_vae

CONV = "model.diffusion_model.input_blocks.0.0.weight"
TEXT = {
    "sd1": "cond_stage_model.transformer.text_model.final_layer_norm.weight",
    "sd2": "cond_stage_model.model.ln_final.weight",
    "sdxl": "conditioner.embedders.1.model.ln_final.weight",
    "sdxl_refiner": "conditioner.embedders.0.model.ln_final.weight",
}


def _catalog(root: Path) -> ModelCatalog:
    return ModelCatalog(Paths(data=root, models=root / "models"), HashCache(root / "cache"))


def _checkpoint(root: Path, name: str, family: str = "sd1", channels: int = 4, **extra: torch.Tensor) -> Path:
    path = root / "models" / "Stable-diffusion" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({CONV: torch.zeros(2, channels, 3, 3), TEXT[family]: torch.zeros(2), **extra}, path)
    return path


@pytest.mark.parametrize("family", list(TEXT))
@pytest.mark.parametrize(("channels", "variant"), [(4, ""), (9, "inpaint"), (8, "pix2pix")])
def test_family_and_variant_are_told_by_the_header(tmp_path: Path, family: str, channels: int, variant: str) -> None:
    _checkpoint(tmp_path, "a.safetensors", family, channels)
    found = _catalog(tmp_path).find_checkpoint("a")
    assert (found.family, found.variant, found.broken) == (family, variant, "")


def test_prediction_by_marker_and_by_the_file_beside(tmp_path: Path) -> None:
    _checkpoint(tmp_path, "marked.safetensors", "sdxl", v_pred=torch.zeros(0), ztsnr=torch.zeros(0))
    beside = _checkpoint(tmp_path, "beside.safetensors", "sd2")
    beside.with_suffix(".yaml").write_text('model:\n  params:\n    parameterization: "v"\n', "utf-8")
    catalog = _catalog(tmp_path)
    marked = catalog.find_checkpoint("marked")
    assert (marked.prediction, marked.zero_snr) == ("v_prediction", True)
    assert catalog.find_checkpoint("beside").prediction == "v_prediction"


def test_every_way_to_name_a_checkpoint(tmp_path: Path) -> None:
    path = _checkpoint(tmp_path, "sub/Deli-Berate_v2.safetensors")
    _checkpoint(tmp_path, "other.safetensors", "sd2")
    catalog = _catalog(tmp_path)
    file = catalog.find_checkpoint("other")
    assert file.title == "other.safetensors"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert catalog.hash_now(catalog.find_checkpoint("deli-berate_v2")) == digest
    title = f"sub/Deli-Berate_v2.safetensors [{digest[:10]}]"
    for name in (title, "sub/Deli-Berate_v2.safetensors", "Deli-Berate_v2", digest, digest[:10], "berate"):
        assert catalog.find_checkpoint(name).title == title
    with pytest.raises(NotFoundError, match="Did you mean other"):
        catalog.find_checkpoint("othre")


def test_a_missing_choice_is_told_once_and_another_stands_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _checkpoint(tmp_path, "there.safetensors")
    catalog = _catalog(tmp_path)
    for name in ("gone", "lost", "gone", "", "there"):
        for _ in range(3):
            assert catalog.default(Settings(values={"sd_model_checkpoint": name})).stem == "there"
    told = [one.getMessage() for one in caplog.records]
    assert [name for one in told for name in ("gone", "lost") if name in one] == ["gone", "lost"]
    assert all("there.safetensors is used instead" in one for one in told)


def test_only_a_checkpoint_that_there_is_can_be_chosen(tmp_path: Path) -> None:
    _checkpoint(tmp_path, "there.safetensors")
    catalog = _catalog(tmp_path)
    for name in ("there", ""):
        check_choice(catalog, {"sd_model_checkpoint": name, "sd_vae": "any"})
    for key in ("sd_model_checkpoint", "SD_model_Checkpoint"):
        with pytest.raises(UserError, match="Did you mean there") as told:
            check_choice(catalog, {key: "theer"})
        assert told.value.field == "sd_model_checkpoint"


def test_broken_and_misplaced_files_are_listed_with_the_reason(tmp_path: Path) -> None:
    good = _checkpoint(tmp_path, "good.safetensors")
    good.with_name("web.safetensors").write_bytes(b"<!DOCTYPE html><p>Not found")
    save_file({"lora_unet_x.lora_up.weight": torch.zeros(1)}, good.with_name("lora.safetensors"))
    good.with_name("old.ckpt").write_bytes(b"PK")
    found = {one.stem: one.broken for one in _catalog(tmp_path).checkpoints()}
    assert found["good"] == ""
    assert "web page" in found["web"]
    assert "LoRA; move it to models/Lora" in found["lora"]
    assert "conversion" in found["old"]


def test_the_vae_whose_name_starts_with_the_checkpoints_is_taken(tmp_path: Path) -> None:
    _checkpoint(tmp_path, "good.safetensors")
    folder = tmp_path / "models" / "VAE"
    folder.mkdir()
    for name in ("good.vae.safetensors", "another.safetensors"):
        save_file({"decoder.conv_in.weight": torch.zeros(1)}, folder / name)
    catalog = _catalog(tmp_path)
    file = catalog.find_checkpoint("good")

    def chosen(wish: str | None, **values: object) -> str | None:
        found = choose_vae(file, wish, catalog, Settings(None, values))
        return found and found.name

    assert chosen(None) == "good.vae.safetensors"
    assert chosen(None, sd_vae="another.safetensors") == "another.safetensors"
    assert chosen("None", sd_vae="another.safetensors") is None
    assert chosen("Automatic", sd_vae="another.safetensors") == "good.vae.safetensors"


def test_the_command_lines_vae_goes_before_settings_but_not_before_a_request(tmp_path: Path) -> None:
    path = _checkpoint(tmp_path, "good.safetensors")
    elsewhere = tmp_path / "elsewhere" / "fine.safetensors"
    elsewhere.parent.mkdir()
    for name in (elsewhere, path.with_name("good.vae.safetensors")):
        save_file({"decoder.conv_in.weight": torch.zeros(1)}, name)
    paths = Paths(data=tmp_path, models=tmp_path / "models", vae_for_all=elsewhere)
    catalog = ModelCatalog(paths, HashCache(tmp_path / "cache"))
    file = catalog.find_checkpoint("good")

    def chosen(wish: str | None, **values: object) -> Path | None:
        found = choose_vae(file, wish, catalog, Settings(None, values))
        return found and found.path

    assert chosen(None) == elsewhere
    assert chosen(None, sd_vae="None") == elsewhere
    assert chosen("None") is None
    assert chosen("fine.safetensors") == elsewhere  # as a picture made with it names it
    elsewhere.unlink()
    catalog.refresh()
    with pytest.raises(ModelError, match="--vae-path"):
        chosen(None)


def test_no_file_is_opened_again_once_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _checkpoint(tmp_path, "0.safetensors")
    for index in range(1, 100):
        path.with_name(f"{index}.safetensors").hardlink_to(path)
    _catalog(tmp_path).refresh()
    opened: list[Path] = []
    monkeypatch.setattr(catalog_file, "read_header", opened.append)
    found = _catalog(tmp_path).checkpoints()
    assert sum(one.path.parent == path.parent for one in found) == 100
    assert opened == []


def test_the_catalog_needs_no_torch() -> None:
    code = "import sys, modules.processing.models.vae, modules.processing.memory; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
