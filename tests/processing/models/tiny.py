"""Tiny real models for tests: every part of a checkpoint, with few channels and a byte-level tokenizer."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from modules.processing.models.families import Family

BYTES = 256
BOS, EOS = 2 * BYTES, 2 * BYTES + 1
VOCABULARY = 2 * BYTES + 2

UNET: dict[str, Any] = {
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [32, 64],
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 1,
    "attention_head_dim": 2,
    "cross_attention_dim": 32,
    "norm_num_groups": 8,
}
VAE: dict[str, Any] = {
    "block_out_channels": [8, 8, 8, 16],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 4,
    "sample_size": 64,
    "scaling_factor": 0.18215,
}
TEXT: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 77,
    "bos_token_id": BOS,
    "eos_token_id": EOS,
    "pad_token_id": EOS,
    "projection_dim": 32,
}


def make_tiny_sd1(folder: Path, *, seed: int = 0, prediction: str = "epsilon") -> Path:
    """A diffusers folder in the form of SD 1.x, with random weights."""
    return make_tiny(folder, "sd1", prediction, seed=seed)


def make_tiny(folder: Path, family: str = "sd1", prediction: str = "epsilon", *, seed: int = 0) -> Path:
    """A diffusers folder in the form of sd1, sd2, sdxl or sdxl_refiner, with random weights."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        UNet2DConditionModel(**unet_config(family)).save_pretrained(folder / "unet")
        AutoencoderKL(**VAE).save_pretrained(folder / "vae")
        if family != "sdxl_refiner":
            CLIPTextModel(CLIPTextConfig(**TEXT)).save_pretrained(folder / "text_encoder")
            save_tokenizer(folder / "tokenizer")
        if family.startswith("sdxl"):
            second = CLIPTextModelWithProjection(CLIPTextConfig(**TEXT, hidden_act="gelu"))
            second.save_pretrained(folder / "text_encoder_2")
            save_tokenizer(folder / "tokenizer_2")
    kind = "StableDiffusionXLPipeline" if family.startswith("sdxl") else "StableDiffusionPipeline"
    index = {"_class_name": kind, "requires_aesthetics_score": family == "sdxl_refiner"}
    write_json(folder / "model_index.json", index)
    scheduler = {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "num_train_timesteps": 1000,
    }
    (folder / "scheduler").mkdir(exist_ok=True)
    write_json(folder / "scheduler" / "scheduler_config.json", {**scheduler, "prediction_type": prediction})
    return folder


def unet_config(family: str) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if family != "sd1":
        changes["use_linear_projection"] = True
    if family.startswith("sdxl"):
        ids = 5 if family == "sdxl_refiner" else 6
        changes |= {"addition_embed_type": "text_time", "addition_time_embed_dim": 8}
        changes["projection_class_embeddings_input_dim"] = 32 + 8 * ids
        changes["cross_attention_dim"] = 32 if family == "sdxl_refiner" else 64
    return {**UNET, **changes}


def save_tokenizer(folder: Path) -> None:
    """CLIP's byte-level vocabulary without merges: a token is a letter, or a letter that ends a word."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(BYTES) if byte not in printable]
    letters = [chr(one) for one in printable] + [chr(BYTES + index) for index in range(len(rest))]
    words = [*letters, *(one + "</w>" for one in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "vocab.json", {word: index for index, word in enumerate(words)})
    (folder / "merges.txt").write_text("#version: 0.2\n", "utf-8")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    write_json(folder / "special_tokens_map.json", {**special, "pad_token": "<|endoftext|>"})
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77})


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), "utf-8")


def tiny_family(name: str) -> Family:
    """The family with the tiny configurations, registered as "tiny_<name>" so that its single files can be loaded."""
    from modules.processing.models.families import families

    if f"tiny_{name}" not in families:
        real = families.get(name)
        acts = {"clip": "quick_gelu", "open_clip": "gelu"}
        encoders = tuple(
            dataclasses.replace(one, config={**TEXT, "hidden_act": "quick_gelu" if index == 0 else acts[one.kind]})
            for index, one in enumerate(real.text.encoders)
        )
        if name == "sdxl_refiner":
            encoders = (dataclasses.replace(encoders[0], config={**TEXT, "hidden_act": "gelu"}),)
        text = dataclasses.replace(real.text, encoders=encoders)
        tiny = dataclasses.replace(real, name=f"tiny_{name}", unet=unet_config(name), vae=VAE, text=text)
        families.add(f"tiny_{name}", tiny)
    return families.get(f"tiny_{name}")


def save_single_file(folder: Path, path: Path, family: str) -> Path:
    """The diffusers folder's weights in one file, with the names of the original layout."""
    from safetensors.torch import load_file, save_file

    from modules.processing.models.convert import clip_map, open_clip_map, unet_map, vae_map

    told = tiny_family(family)
    parts = [("unet", unet_map(told.unet)), ("vae", vae_map(told.vae))]
    for one in told.text.encoders:
        parts.append((one.subfolder, (clip_map if one.kind == "clip" else open_clip_map)(one.prefix)))
    tensors: dict[str, torch.Tensor] = {}
    for part, name_of in parts:
        thirds: dict[str, dict[str, torch.Tensor]] = {}
        for stored in (folder / part).glob("*.safetensors"):
            for name, value in load_file(stored).items():
                source = name_of(name)
                if source.op in ("q", "k", "v"):
                    thirds.setdefault(source.name, {})[source.op] = value
                elif source.op == "squeeze":
                    tensors[source.name] = value[:, :, None, None].contiguous()
                else:
                    tensors[source.name] = value.T.contiguous() if source.op == "transpose" else value
        for name, three in thirds.items():
            tensors[name] = torch.cat([three["q"], three["k"], three["v"]])
    save_file(tensors, path)
    return path
