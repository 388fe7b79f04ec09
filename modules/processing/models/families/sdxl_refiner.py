"""The refiner of Stable Diffusion XL: OpenCLIP bigG alone, and an aesthetic score."""

from __future__ import annotations

from modules.processing.models.families import Family, TextEncoderRecipe, TextRecipe, families
from modules.processing.models.families.sd1 import SCHEDULER
from modules.processing.models.families.sdxl import OPEN_CLIP_G, PREVIEW_XL, UNET_XL, VAE_XL

families.add(
    "sdxl_refiner",
    Family(
        name="sdxl_refiner",
        label="Stable Diffusion XL refiner",
        native_size=(1024, 1024),
        unet={
            **UNET_XL,
            "block_out_channels": [384, 768, 1536, 1536],
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
            "attention_head_dim": [6, 12, 24, 24],
            "cross_attention_dim": 1280,
            "transformer_layers_per_block": 4,
            "projection_class_embeddings_input_dim": 2560,
        },
        vae=VAE_XL,
        text=TextRecipe(
            encoders=(
                TextEncoderRecipe(
                    subfolder="text_encoder_2",
                    tokenizer="tokenizer_2",
                    kind="open_clip",
                    prefix="conditioner.embedders.0.model.",
                    config=OPEN_CLIP_G,
                    width=1280,
                    pad_id=0,
                    layer="penultimate",
                    final_norm=False,
                    projection=True,
                    clip_skip="never",
                ),
            ),
            pooled_from=0,
            zero_empty_negative=True,
        ),
        preview_matrix=PREVIEW_XL,
        size_conditions="refiner",
        scheduler=SCHEDULER,
    ),
)
