"""Headers tell a checkpoint's layers as the loaded model has them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from modules.processing.models.catalog import ModelFile
from modules.processing.models.convert import clip_map, open_clip_map, unet_map
from modules.processing.models.families import families
from modules.processing.networks.layers import checkpoint_layers

Size = tuple[int, ...]


def write_header(path: Path, sizes: dict[str, Size]) -> None:
    """A file of zeros that needs no room on the disk."""
    entries, end = {}, 0
    for name, size in sizes.items():
        entries[name] = {"dtype": "U8", "shape": size, "data_offsets": [end, end + math.prod(size)]}
        end += math.prod(size)
    header = json.dumps(entries).encode()
    with open(path, "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + end)


@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl"])
def test_a_single_file_has_the_layers_of_the_loaded_model(tmp_path: Path, name: str) -> None:
    family = families.get(name)
    with torch.device("meta"):
        unet: Any = UNet2DConditionModel.from_config(dict(family.unet))
        texts = [
            (CLIPTextModelWithProjection if one.projection else CLIPTextModel)(CLIPTextConfig(**one.config))
            for one in family.text.encoders
        ]
    parts: list[tuple[str, Any, Any]] = [("unet", unet, unet_map(unet.config))]
    for recipe, module in zip(family.text.encoders, texts):
        names = (clip_map if recipe.kind == "clip" else open_clip_map)(recipe.prefix)
        parts.append((recipe.subfolder, module, names))
    sizes: dict[str, Size] = {}
    wanted: dict[tuple[str, str], Size] = {}
    for part, module, names in parts:
        for key, tensor in module.state_dict().items():
            source, size = names(key), tuple(tensor.shape)
            sizes[source.name] = (3 * size[0], *size[1:]) if source.op in "qkv" else size
            path, _, last = key.rpartition(".")
            if last == "weight" and tensor.ndim > 1 and ".embeddings." not in f".{path}" and path != "text_projection":
                wanted[part, path.removeprefix("text_model.")] = size
    file = tmp_path / "model.safetensors"
    write_header(file, sizes)
    found = checkpoint_layers(ModelFile(kind="checkpoint", path=file, name=file.name, family=name))
    assert found is not None
    assert {target: found.sizes.get(target) for target in wanted} == wanted


def test_a_folder_has_the_layers_of_the_loaded_model(tiny_models_dir: Path) -> None:
    path = tiny_models_dir / "Stable-diffusion" / "tiny"
    found = checkpoint_layers(ModelFile(kind="checkpoint", path=path, name="tiny", family="sd1"))
    assert found is not None
    assert found.sizes["unet", "mid_block.resnets.0.conv1"] == (64, 64, 3, 3)
    assert found.sizes["text_encoder", "encoder.layers.1.mlp.fc1"] == (64, 32)
    assert found.find("lora_te_text_model_encoder_layers_1_mlp_fc1") == ("text_encoder", "encoder.layers.1.mlp.fc1")
