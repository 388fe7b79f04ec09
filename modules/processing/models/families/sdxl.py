"""Stable Diffusion XL base (Podell et al. 2023, arXiv:2307.01952): CLIP-L and OpenCLIP bigG, 1024 x 1024."""

from __future__ import annotations

from modules.processing.models.families import Family, TextEncoderRecipe, TextRecipe, families
from modules.processing.models.families.sd1 import CLIP_L, SCHEDULER, UNET, VAE

UNET_XL = {
    **UNET,
    "sample_size": 128,
    "block_out_channels": [320, 640, 1280],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "attention_head_dim": [5, 10, 20],
    "cross_attention_dim": 2048,
    "transformer_layers_per_block": [1, 2, 10],
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
VAE_XL = {**VAE, "sample_size": 1024, "scaling_factor": 0.13025, "force_upcast": True}
OPEN_CLIP_G = {
    **CLIP_L,
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "hidden_act": "gelu",
    "projection_dim": 1280,
}
# The linear fit of T. A. Vass, "Explaining the SDXL latent space" (Hugging Face blog), given there for 0 to 255.
PREVIEW_XL = (
    (60 / 255, 60 / 255, 60 / 255),
    (-60 / 255, -5 / 255, 10 / 255),
    (25 / 255, 15 / 255, -5 / 255),
    (-70 / 255, -50 / 255, -35 / 255),
    (150 / 255, 140 / 255, 130 / 255),
)

families.add(
    "sdxl",
    Family(
        name="sdxl",
        label="Stable Diffusion XL",
        native_size=(1024, 1024),
        unet=UNET_XL,
        vae=VAE_XL,
        text=TextRecipe(
            encoders=(
                TextEncoderRecipe(
                    subfolder="text_encoder",
                    tokenizer="tokenizer",
                    kind="clip",
                    prefix="conditioner.embedders.0.transformer.",
                    config=CLIP_L,
                    width=768,
                    layer="penultimate",
                    final_norm=False,
                    clip_skip="setting",
                ),
                TextEncoderRecipe(
                    subfolder="text_encoder_2",
                    tokenizer="tokenizer_2",
                    kind="open_clip",
                    prefix="conditioner.embedders.1.model.",
                    config=OPEN_CLIP_G,
                    width=1280,
                    pad_id=0,
                    layer="penultimate",
                    final_norm=False,
                    projection=True,
                    clip_skip="never",
                ),
            ),
            pooled_from=1,
            zero_empty_negative=True,
        ),
        preview_matrix=PREVIEW_XL,
        size_conditions="sdxl",
        scheduler=SCHEDULER,
    ),
)
