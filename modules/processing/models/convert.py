"""The names of the original single-file layouts for every tensor of diffusers' and transformers' modules.

The map goes from the module to the file: for each tensor a module wants, where it is in a file and how it is stored
there. So missing names are those a file lacks, and what no module asked for is left over. Needs no torch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Op = Literal["same", "squeeze", "transpose", "q", "k", "v"]
NameMap = Callable[[str], "Source"]
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
OPEN_CLIP_LAYER = {
    "self_attn.out_proj": "attn.out_proj",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
IGNORABLE = re.compile(
    r"^(model_ema\.|betas$|alphas_cumprod|sqrt_|log_one_minus|posterior_|logvar$|lvlb_weights$|v_pred$|ztsnr$|edm_|"
    r"state_dict$|global_step$|denoiser\.|scale_factor$|first_stage_model\.loss\.|loss\.|model\.diffusion_model_ema)"
    r"|(position_ids|logit_scale|attn_mask)$"
)


@dataclass(frozen=True)
class Source:
    """`name` in the file; "squeeze": a 1x1 convolution; "q", "k", "v": a third of the rows, from the first on."""

    name: str
    op: Op = "same"


def unet_map(config: Mapping[str, Any], prefix: str = "model.diffusion_model.") -> NameMap:
    """For a UNet2DConditionModel of this config."""
    table = unet_table(config)

    def source(name: str) -> Source:
        head, rest = _split(name, table)
        if ".resnets." in head:
            rest = _renamed(rest, RESNET)
        return Source(prefix + table[head] + "." + rest)

    return source


def unet_table(config: Mapping[str, Any]) -> dict[str, str]:
    """The U-Net's blocks: path in diffusers' module -> path in the original layout."""
    table = {
        "conv_in": "input_blocks.0.0",
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "add_embedding.linear_1": "label_emb.0.0",
        "add_embedding.linear_2": "label_emb.0.2",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
        "mid_block.resnets.0": "middle_block.0",
        "mid_block.attentions.0": "middle_block.1",
        "mid_block.resnets.1": "middle_block.2",
    }
    layers = int(config["layers_per_block"])
    downs, ups = config["down_block_types"], config["up_block_types"]
    index = 1
    for block, kind in enumerate(downs):
        for layer in range(layers):
            table[f"down_blocks.{block}.resnets.{layer}"] = f"input_blocks.{index}.0"
            if "CrossAttn" in kind:
                table[f"down_blocks.{block}.attentions.{layer}"] = f"input_blocks.{index}.1"
            index += 1
        if block < len(downs) - 1:
            table[f"down_blocks.{block}.downsamplers.0.conv"] = f"input_blocks.{index}.0.op"
            index += 1
    index = 0
    for block, kind in enumerate(ups):
        attention = "CrossAttn" in kind
        for layer in range(layers + 1):
            table[f"up_blocks.{block}.resnets.{layer}"] = f"output_blocks.{index}.0"
            if attention:
                table[f"up_blocks.{block}.attentions.{layer}"] = f"output_blocks.{index}.1"
            if layer == layers and block < len(ups) - 1:
                place = 2 if attention else 1
                table[f"up_blocks.{block}.upsamplers.0.conv"] = f"output_blocks.{index}.{place}.conv"
            index += 1
    return table


def vae_map(config: Mapping[str, Any], prefix: str = "first_stage_model.") -> NameMap:
    """For an AutoencoderKL of this config. The decoder's levels are counted from the other end."""
    levels = len(config["block_out_channels"])

    def source(name: str) -> Source:
        name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        name = re.sub(r"down_blocks\.(\d+)\.resnets\.", r"down.\1.block.", name)
        name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0\.", r"down.\1.downsample.", name)
        name = re.sub(r"up_blocks\.(\d+)\.resnets\.", lambda m: f"up.{levels - 1 - int(m[1])}.block.", name)
        name = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0\.", lambda m: f"up.{levels - 1 - int(m[1])}.upsample.", name)
        name = re.sub(r"mid_block\.resnets\.(\d)\.", lambda m: f"mid.block_{int(m[1]) + 1}.", name)
        head, found, rest = name.partition("mid_block.attentions.0.")
        if not found:
            return Source(prefix + name)
        convolution = rest.endswith(".weight") and not rest.startswith("group_norm")
        return Source(f"{prefix}{head}mid.attn_1.{_renamed(rest, VAE_ATTENTION)}", "squeeze" if convolution else "same")

    return source


def clip_map(prefix: str) -> NameMap:
    """For a CLIPTextModel, with or without the inner text_model of some versions."""
    return lambda name: Source(f"{prefix}text_model.{name.removeprefix('text_model.')}")


def open_clip_map(prefix: str) -> NameMap:
    """For a CLIPTextModel or CLIPTextModelWithProjection whose weights are stored in OpenCLIP's names."""
    outer = {
        "embeddings.token_embedding.weight": "token_embedding.weight",
        "embeddings.position_embedding.weight": "positional_embedding",
        "final_layer_norm.weight": "ln_final.weight",
        "final_layer_norm.bias": "ln_final.bias",
    }

    def source(name: str) -> Source:
        if name == "text_projection.weight":
            return Source(prefix + "text_projection", "transpose")
        name = name.removeprefix("text_model.")
        if name in outer:
            return Source(prefix + outer[name])
        layer, rest = name.removeprefix("encoder.layers.").split(".", 1)
        base = f"{prefix}transformer.resblocks.{layer}."
        third = re.fullmatch(r"self_attn\.([qkv])_proj\.(weight|bias)", rest)
        if third:
            op: Op = {"q": "q", "k": "k", "v": "v"}[third[1]]  # type: ignore[assignment]
            return Source(f"{base}attn.in_proj_{third[2]}", op)
        return Source(base + _renamed(rest, OPEN_CLIP_LAYER))

    return source


def ignorable(name: str) -> bool:
    """Names that checkpoints hold beside the weights: schedules, averages, counters."""
    return IGNORABLE.search(name) is not None


def _split(name: str, table: Mapping[str, str]) -> tuple[str, str]:
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        head = ".".join(parts[:end])
        if head in table:
            return head, ".".join(parts[end:])
    raise KeyError(name)


def _renamed(name: str, table: Mapping[str, str]) -> str:
    head, _, last = name.rpartition(".")
    return f"{table[head]}.{last}"
