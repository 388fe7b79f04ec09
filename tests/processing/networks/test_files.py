"""Network files are listed with what they are, and found by any of their names."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_file

from modules.core.errors import NotFoundError
from modules.core.paths import Paths
from modules.processing.models.hashes import HashCache
from modules.processing.networks.files import NetworkFiles

CROSS = "down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"


def lora(width: int, out: int = 640, rank: int = 4, name: str = f"lora_unet_{CROSS}") -> dict[str, torch.Tensor]:
    return {
        f"{name}.lora_down.weight": torch.zeros(rank, width),
        f"{name}.lora_up.weight": torch.zeros(out, rank),
        f"{name}.alpha": torch.tensor(float(rank)),
    }


@pytest.fixture
def files(tmp_path: Path) -> NetworkFiles:
    (tmp_path / "models" / "Lora" / "styles").mkdir(parents=True)
    (tmp_path / "models" / "LyCORIS").mkdir()
    return NetworkFiles(Paths(data=tmp_path, models=tmp_path / "models"), HashCache(tmp_path / "cache"))


@pytest.fixture
def folder(files: NetworkFiles, tmp_path: Path) -> Path:
    return tmp_path / "models" / "Lora"


def test_a_file_says_what_it_is(files: NetworkFiles, folder: Path) -> None:
    told = {"ss_output_name": "Ink Drawing", "ss_sd_model_name": "v1-5.safetensors"}
    save_file(lora(768, rank=8), folder / "styles" / "ink.safetensors", told)
    (one,) = files.files()
    assert (one.name, one.alias, one.family, one.base) == ("ink", "Ink Drawing", "sd1", "v1-5.safetensors")
    assert (one.kind, one.rank, one.broken) == ("LoRA", 8, "")
    for name in ("ink", "INK", "styles/ink", "ink.safetensors", "Ink Drawing"):
        assert files.find(name) == one


@pytest.mark.parametrize(("width", "family"), [(768, "sd1"), (1024, "sd2"), (2048, "sdxl"), (96, "")])
def test_sizes_tell_the_family(files: NetworkFiles, folder: Path, width: int, family: str) -> None:
    save_file(lora(width), folder / "one.safetensors")
    assert files.find("one").family == family


def test_sizes_count_more_than_metadata(files: NetworkFiles, folder: Path) -> None:
    save_file(lora(768), folder / "one.safetensors", {"ss_base_model_version": "sdxl_base_v1-0"})
    assert files.find("one").family == "sd1"


def test_names_and_metadata_tell_the_family_where_sizes_do_not(files: NetworkFiles, folder: Path) -> None:
    plain = "lora_unet_down_blocks_0_resnets_0_conv1"
    save_file(lora(320, 320, name=plain), folder / "one.safetensors", {"ss_base_model_version": "sd_v1"})
    save_file(lora(320, 320, name=plain), folder / "two.safetensors", {"modelspec.architecture": "flux-1-dev/lora"})
    save_file(lora(64, 64, name="lora_te2_text_model_encoder_layers_0_mlp_fc1"), folder / "three.safetensors")
    assert [files.find(name).family for name in ("one", "two", "three")] == ["sd1", "", "sdxl"]


def test_the_hash_is_of_the_weights_alone(files: NetworkFiles, folder: Path) -> None:
    tensors = lora(768)
    save_file(tensors, folder / "one.safetensors", {"note": "first"})
    data = save(tensors)
    digest = hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()
    assert files.find("one").short_hash == ""
    assert files.unhashed() == [folder / "one.safetensors"]
    assert files.hashed(files.find("one")).digest == digest
    assert files.find(digest[:12]).name == "one"
    assert files.unhashed() == []
    save_file(tensors, folder / "one.safetensors", {"sshs_model_hash": "ab" * 32})
    assert files.find("one").short_hash == digest[:12]  # not looked at again yet
    files.refresh()
    assert files.find("one").short_hash == "ab" * 6


def test_a_new_file_is_found_without_asking_for_a_refresh(files: NetworkFiles, folder: Path) -> None:
    assert files.files() == []
    save_file(lora(768), folder / "late.safetensors")
    assert files.find("late").name == "late"


def test_an_unknown_name_suggests_near_ones(files: NetworkFiles, folder: Path) -> None:
    save_file(lora(768), folder / "watercolour.safetensors")
    with pytest.raises(NotFoundError, match="Did you mean watercolour") as raised:
        files.find("watercolor")
    assert raised.value.field == "prompt"


def test_what_cannot_be_used_says_why(files: NetworkFiles, folder: Path) -> None:
    (folder / "old.pt").write_bytes(b"\x80")
    (folder / "cut.safetensors").write_bytes(b"\x00")
    save_file({"model.weight_of_something": torch.zeros(2)}, folder / "other.safetensors")
    broken = {one.name: one.broken for one in files.files()}
    assert "allow-pickle" in broken["old"]
    assert "cut off" in broken["cut"]
    assert "no network" in broken["other"]


def test_unchanged_files_are_not_opened_again(files: NetworkFiles, folder: Path) -> None:
    save_file(lora(768), folder / "one.safetensors")
    first = files.files()[0]
    files.refresh()
    assert files.files()[0] is first
    os.utime(folder / "one.safetensors", ns=(1, 1))
    files.refresh()
    assert files.files()[0] is not first
