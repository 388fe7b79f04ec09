from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from modules.core.errors import UserError
from modules.processing.models.families import families
from modules.processing.models.original import joined, obstacle, original_names, parted
from tests.processing.models.tiny import make_tiny, save_single_file, tiny_family


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl", "sdxl_refiner"])
def test_a_folder_becomes_the_file_that_its_reader_expects(tmp_path: Path, family: str) -> None:
    folder = make_tiny(tmp_path / "tiny", family)
    wanted = load_file(save_single_file(folder, tmp_path / "tiny.safetensors", family))
    parts = {one.parent.name: load_file(one) for one in folder.glob("*/*.safetensors")}
    names = original_names(tiny_family(family), parts)
    assert names.keys() == {name for name in wanted if not name.endswith("position_ids")}
    for name, pieces in names.items():
        values = [parts[one.part][one.name] for one in pieces]
        assert torch.equal(joined(pieces, values), wanted[name]), name
        assert all(torch.equal(x.squeeze(), y.squeeze()) for x, y in zip(parted(pieces, wanted[name]), values)), name


def test_a_tensor_without_a_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"unet/strange\.weight"):
        original_names(families.get("sd1"), {"unet": ["strange.weight"]})


def test_another_architecture_cannot_be_a_single_file() -> None:
    family = families.get("sd1")
    own = {"unet": dict(family.unet), "vae": dict(family.vae), "text_encoder": dict(family.text.encoders[0].config)}
    assert obstacle(family, own) == ""
    assert obstacle(family, {**own, "unet": {**family.unet, "in_channels": 9, "sample_size": 96}}) == ""
    assert "block_out_channels [64, 128]" in obstacle(family, {**own, "unet": {"block_out_channels": [64, 128]}})
    assert "addition_embed_type text" in obstacle(family, {**own, "unet": {"addition_embed_type": "text"}})


def test_easel_mini_needs_a_folder() -> None:
    folder = Path(__file__).parents[3] / "models" / "Stable-diffusion" / "easel-mini"
    parts = ("unet", "vae", "text_encoder")
    configs = {part: json.loads((folder / part / "config.json").read_text("utf-8")) for part in parts}
    assert obstacle(families.get("sd1"), configs)
