"""Layers go by the names that kohya's files have, and are found by any of their names."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from modules.processing.models.families import families
from modules.processing.networks.names import LayerNames, Part, kohya_name, of_processor


def parts_of(family: str) -> dict[Part, torch.nn.Module]:
    """The family's real modules, without weights."""
    known = families.get(family)
    with torch.device("meta"):
        unet: Any = UNet2DConditionModel.from_config(dict(known.unet))
        parts: dict[Part, torch.nn.Module] = {"unet": unet}
        for part, recipe in zip(("text_encoder", "text_encoder_2"), known.text.encoders):
            kind = CLIPTextModelWithProjection if recipe.projection else CLIPTextModel
            parts[part] = kind(CLIPTextConfig(**recipe.config))
    return parts


def targets(part: torch.nn.Module, blocks: tuple[str, ...]) -> list[str]:
    """Paths of the linear and 1x1 layers inside modules of these classes: what kohya's trainer gives a LoRA."""
    found = []
    for path, block in part.named_modules():
        if type(block).__name__ not in blocks:
            continue
        for inner, layer in block.named_modules():
            point = isinstance(layer, torch.nn.Conv2d) and layer.kernel_size == (1, 1)
            if isinstance(layer, torch.nn.Linear) or point:
                found.append(f"{path}.{inner}")
    return list(dict.fromkeys(found))


def layers_of(parts: dict[Part, torch.nn.Module]) -> dict[Part, list[str]]:
    return {
        part: [path for path, one in module.named_modules() if getattr(one, "weight", None) is not None]
        for part, module in parts.items()
    }


@pytest.mark.parametrize(
    ("family", "counts"), [("sd1", (192, 72)), ("sd2", (192, 138)), ("sdxl", (722, 72, 192))], ids=str
)
def test_a_plain_lora_has_as_many_modules_as_kohyas(family: str, counts: tuple[int, ...]) -> None:
    parts = parts_of(family)
    names = LayerNames(layers_of(parts), families.get(family).unet)
    for (part, module), count in zip(parts.items(), counts, strict=True):
        paths = targets(module, ("Transformer2DModel", "CLIPAttention", "CLIPMLP"))
        kohya = [kohya_name(part, path, family=family) for path in paths]
        assert len(set(kohya)) == len(paths) == count
        assert [names.find(one) for one in kohya] == [(part, path) for path in paths]


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_every_layer_is_found_by_every_spelling(family: str) -> None:
    parts = parts_of(family)
    names = LayerNames(layers_of(parts), families.get(family).unet)
    for part, paths in layers_of(parts).items():
        for path in paths:
            bare = path.removeprefix("text_model.")
            spellings = [f"{part}.{path}", f"base_model.model.{part}.{path}", kohya_name(part, path, family=family)]
            if part == "unet":
                spellings += [path, f"base_model.model.{path}", "lora_unet_" + path.replace(".", "_")]
                if not path.startswith("add_embedding"):
                    spellings.append(kohya_name(part, path, family="sdxl", unet=families.get(family).unet))
            else:
                spellings += [f"{part}.{bare}", f"{part}.text_model.{bare}"]
            if part == "text_encoder":
                spellings += [f"text_model.{bare}", bare, "lora_te1_" + path.replace(".", "_")]
            for one in spellings:
                assert names.find(one) == (part, path), one


GOLDEN = [
    ("sd1", "unet", "down_blocks.0.attentions.0.proj_in", "lora_unet_down_blocks_0_attentions_0_proj_in"),
    ("sd1", "unet", "mid_block.resnets.1.conv2", "lora_unet_mid_block_resnets_1_conv2"),
    ("sd1", "text_encoder", "encoder.layers.11.mlp.fc2", "lora_te_text_model_encoder_layers_11_mlp_fc2"),
    (
        "sdxl",
        "unet",
        "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q",
        "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q",
    ),
    ("sdxl", "unet", "up_blocks.0.upsamplers.0.conv", "lora_unet_output_blocks_2_2_conv"),
    ("sdxl", "unet", "down_blocks.0.downsamplers.0.conv", "lora_unet_input_blocks_3_0_op"),
    ("sdxl", "unet", "mid_block.resnets.0.time_emb_proj", "lora_unet_middle_block_0_emb_layers_1"),
    (
        "sdxl",
        "text_encoder",
        "encoder.layers.0.self_attn.out_proj",
        "lora_te1_text_model_encoder_layers_0_self_attn_out_proj",
    ),
    (
        "sdxl",
        "text_encoder_2",
        "text_model.encoder.layers.31.mlp.fc1",
        "lora_te2_text_model_encoder_layers_31_mlp_fc1",
    ),
]


@pytest.mark.parametrize(("family", "part", "path", "name"), GOLDEN)
def test_names_are_those_of_published_files(family: str, part: Part, path: str, name: str) -> None:
    assert kohya_name(part, path, family=family) == name


def test_a_layer_that_the_model_lacks_is_not_found() -> None:
    names = LayerNames({"unet": ["mid_block.resnets.0.conv1"]}, families.get("sd1").unet)
    assert names.find("lora_unet_mid_block_resnets_7_conv1") is None
    assert names.find("lora_te2_text_model_encoder_layers_0_mlp_fc1") is None


@pytest.mark.parametrize(
    ("old", "layer"),
    [
        ("unet.mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_q", "attn1_to_q"),
        ("unet.mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_out", "attn2_to_out_0"),
        ("text_encoder.text_model.encoder.layers.3.self_attn.to_v", "self_attn_v_proj"),
        ("text_encoder.text_model.encoder.layers.3.self_attn.to_out", "self_attn_out_proj"),
    ],
)
def test_matrices_of_old_processors_belong_to_layers(old: str, layer: str) -> None:
    assert of_processor(old).endswith(layer)
