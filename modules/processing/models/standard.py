"""The tensors that a family's own architecture has, by part, without weights. Needs torch."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from modules.processing.models.families import Family

CHANNELS = {"inpaint": 9, "pix2pix": 8}


def standard_names(family: Family, variant: str = "") -> dict[str, dict[str, tuple[int, ...]]]:
    """Shapes by part ("unet", "vae", "text_encoder", ...) and by name, as diffusers and transformers name them."""
    unet: dict[str, Any] = {**family.unet, "in_channels": CHANNELS.get(variant, 4)}
    with torch.device("meta"):
        modules: dict[str, Any] = {
            "unet": UNet2DConditionModel.from_config(unet),
            "vae": AutoencoderKL.from_config(dict(family.vae)),
        }
        for one in family.text.encoders:
            kind: Any = CLIPTextModelWithProjection if one.projection else CLIPTextModel
            modules[one.subfolder] = kind(CLIPTextConfig(**one.config))
    return {
        part: {name: tuple(one.shape) for name, one in module.state_dict().items()} for part, module in modules.items()
    }
