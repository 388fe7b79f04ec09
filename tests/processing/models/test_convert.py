"""Every real layout maps one to one; diffusers' own converters, which read the other way, are the oracle."""

from __future__ import annotations

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from modules.processing.models.convert import clip_map, ignorable, open_clip_map, unet_map, vae_map
from modules.processing.models.families import families

REAL = ["sd1", "sd2", "sdxl", "sdxl_refiner"]


@pytest.mark.parametrize("channels", [4, 9, 8])
@pytest.mark.parametrize("family", REAL)
def test_unet_names_and_shapes_are_those_of_the_original_layout(family: str, channels: int) -> None:
    config = {**families.get(family).unet, "in_channels": channels}
    with torch.device("meta"):
        module = UNet2DConditionModel.from_config(config)
    wanted = module.state_dict()
    name_of = unet_map(module.config)
    file = {name_of(name).name: one for name, one in wanted.items()}
    assert len(file) == len(wanted)
    assert file["model.diffusion_model.input_blocks.0.0.weight"].shape[1] == channels

    back = convert_ldm_unet_checkpoint(dict(file), dict(module.config))

    assert {name: one.shape for name, one in back.items()} == {name: one.shape for name, one in wanted.items()}


@pytest.mark.parametrize(("family", "count"), [("sd1", 686), ("sd2", 686), ("sdxl", 1680)])
def test_the_unets_have_as_many_tensors_as_the_published_files(family: str, count: int) -> None:
    with torch.device("meta"):
        module = UNet2DConditionModel.from_config(dict(families.get(family).unet))
    assert len(module.state_dict()) == count


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_vae_names_and_shapes(family: str) -> None:
    with torch.device("meta"):
        module = AutoencoderKL.from_config(dict(families.get(family).vae))
    wanted = module.state_dict()
    name_of = vae_map(module.config)
    file = {}
    for name, one in wanted.items():
        source = name_of(name)
        file[source.name] = one[:, :, None, None] if source.op == "squeeze" else one
    assert len(file) == len(wanted) == 248

    back = convert_ldm_vae_checkpoint(dict(file), dict(module.config))

    assert {name: one.shape for name, one in back.items()} == {name: one.shape for name, one in wanted.items()}


def test_clip_l_has_the_196_published_tensors() -> None:
    with torch.device("meta"):
        module = CLIPTextModel(CLIPTextConfig(**families.get("sd1").text.encoders[0].config))
    name_of = clip_map("cond_stage_model.transformer.")
    names = {name_of(name).name for name in module.state_dict()}
    assert len(names) == len(module.state_dict()) == 196
    assert "cond_stage_model.transformer.text_model.encoder.layers.11.mlp.fc2.bias" in names
    assert "cond_stage_model.transformer.text_model.final_layer_norm.weight" in names


@pytest.mark.parametrize(("family", "index", "layers", "width"), [("sd2", 0, 23, 1024), ("sdxl", 1, 32, 1280)])
def test_open_clip_names_are_its_own(family: str, index: int, layers: int, width: int) -> None:
    recipe = families.get(family).text.encoders[index]
    kind = CLIPTextModelWithProjection if recipe.projection else CLIPTextModel
    with torch.device("meta"):
        module = kind(CLIPTextConfig(**recipe.config))
    expected = {"token_embedding.weight", "positional_embedding", "ln_final.weight", "ln_final.bias"}
    for layer in range(layers):
        base = f"transformer.resblocks.{layer}."
        expected |= {base + f"attn.in_proj_{one}" for one in ("weight", "bias")}
        parts = ("attn.out_proj", "ln_1", "ln_2", "mlp.c_fc", "mlp.c_proj")
        expected |= {f"{base}{part}.{one}" for part in parts for one in ("weight", "bias")}
    if recipe.projection:
        expected.add("text_projection")
    name_of = open_clip_map("")
    wanted = module.state_dict()
    assert {name_of(name).name for name in wanted} == expected
    assert len(wanted) == layers * 16 + 4 + recipe.projection
    token = next(one for name, one in wanted.items() if name.endswith("token_embedding.weight"))
    assert token.shape == (49408, width)


@pytest.mark.parametrize(
    "name", ["betas", "model_ema.decay", "alphas_cumprod_prev", "v_pred", "conditioner.embedders.1.model.logit_scale"]
)
def test_schedules_averages_and_markers_are_ignorable(name: str) -> None:
    assert ignorable(name)
    assert not ignorable("model.diffusion_model.out.0.weight")
