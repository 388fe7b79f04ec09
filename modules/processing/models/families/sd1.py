"""Stable Diffusion 1.x (Rombach et al. 2022, arXiv:2112.10752): CLIP ViT-L/14, 512 x 512."""

from __future__ import annotations

from typing import Any

from modules.processing.models.families import Family, TextEncoderRecipe, TextRecipe, families

SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
}
UNET: dict[str, Any] = {
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [320, 640, 1280, 1280],
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    "layers_per_block": 2,
    "attention_head_dim": 8,
    "cross_attention_dim": 768,
    "norm_num_groups": 32,
}
VAE: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "norm_num_groups": 32,
    "sample_size": 512,
    "scaling_factor": 0.18215,
}
CLIP_L: dict[str, Any] = {
    "vocab_size": 49408,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
    "projection_dim": 768,
    "bos_token_id": 49406,
    "eos_token_id": 49407,
    "pad_token_id": 1,
}
# The linear fit for SD 1.4 posted by keturn in the Hugging Face forum ("Decoding latents to RGB without upscaling"),
# [-1, 1] to [0, 1]: halved, and half added.
PREVIEW = (
    (0.149, 0.1035, 0.104),
    (0.0935, 0.143, 0.0865),
    (-0.079, 0.0945, 0.132),
    (-0.092, -0.1355, -0.2365),
    (0.5, 0.5, 0.5),
)

families.add(
    "sd1",
    Family(
        name="sd1",
        label="Stable Diffusion 1",
        native_size=(512, 512),
        unet=UNET,
        vae=VAE,
        text=TextRecipe(
            encoders=(
                TextEncoderRecipe(
                    subfolder="text_encoder",
                    tokenizer="tokenizer",
                    kind="clip",
                    prefix="cond_stage_model.transformer.",
                    config=CLIP_L,
                    width=768,
                ),
            )
        ),
        preview_matrix=PREVIEW,
        scheduler=SCHEDULER,
    ),
)
