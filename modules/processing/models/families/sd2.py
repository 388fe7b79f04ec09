"""Stable Diffusion 2.x: OpenCLIP ViT-H/14 without its last layer; v-prediction at 768, epsilon at 512."""

from __future__ import annotations

from modules.processing.models.families import Family, TextEncoderRecipe, TextRecipe, families
from modules.processing.models.families.sd1 import CLIP_L, PREVIEW, SCHEDULER, UNET, VAE

OPEN_CLIP_H = {
    **CLIP_L,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 23,
    "num_attention_heads": 16,
    "hidden_act": "gelu",
    "projection_dim": 1024,
}

families.add(
    "sd2",
    Family(
        name="sd2",
        label="Stable Diffusion 2",
        native_size=(768, 768),
        unet={
            **UNET,
            "sample_size": 96,
            "attention_head_dim": [5, 10, 20, 20],
            "cross_attention_dim": 1024,
            "use_linear_projection": True,
            "upcast_attention": True,
        },
        vae=VAE,
        text=TextRecipe(
            encoders=(
                TextEncoderRecipe(
                    subfolder="text_encoder",
                    tokenizer="tokenizer",
                    kind="open_clip",
                    prefix="cond_stage_model.model.",
                    config=OPEN_CLIP_H,
                    width=1024,
                    pad_id=0,
                ),
            )
        ),
        preview_matrix=PREVIEW,
        scheduler=SCHEDULER,
    ),
)
