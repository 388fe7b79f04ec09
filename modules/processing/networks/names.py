"""The names that network files have for a model's layers: kohya's, diffusers', PEFT's and the original layout's.

A layer is a part ("unet", "text_encoder", "text_encoder_2") and the dotted path of a module in it. Needs no torch.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from modules.processing.models.convert import NameMap, unet_map
from modules.processing.models.families import families

Part = Literal["unet", "text_encoder", "text_encoder_2"]
INNER = "text_model."  # what some classes and most files have before a text encoder's path
PREFIXES: tuple[tuple[str, Part], ...] = (
    ("lora_te2_", "text_encoder_2"),
    ("text_encoder_2_", "text_encoder_2"),
    ("lora_te1_", "text_encoder"),
    ("lora_te_", "text_encoder"),
    ("oft_te_", "text_encoder"),
    ("text_encoder_", "text_encoder"),
    ("lora_unet_", "unet"),
    ("oft_unet_", "unet"),
    ("unet_", "unet"),
    ("model_diffusion_model_", "unet"),
    ("diffusion_model_", "unet"),
)
WRAPPERS = ("base_model_model_", "lycoris_")  # of PEFT and LyCORIS, around any other prefix
TEXT = ("text_model_", "encoder_layers_", "embeddings_", "final_layer_norm", "text_projection")
PROCESSOR = {  # diffusers before 0.20 kept its matrices beside the layers
    "self_attn_to_q": "self_attn_q_proj",
    "self_attn_to_k": "self_attn_k_proj",
    "self_attn_to_v": "self_attn_v_proj",
    "self_attn_to_out": "self_attn_out_proj",
}


def kohya_name(part: Part, path: str, *, family: str = "sd1", unet: Mapping[str, Any] | None = None) -> str:
    """What kohya's programs call a layer: lora_unet_..., lora_te_..., lora_te1_..., lora_te2_....

    SDXL's U-Net goes by the original layout; `unet` is its config where it is not the family's own.
    """
    if part == "unet":
        return "lora_unet_" + _flat(
            _original(path, unet_map(unet or families.get("sdxl").unet, "")) if family == "sdxl" else path
        )
    prefix = "lora_te_" if family != "sdxl" else "lora_te1_" if part == "text_encoder" else "lora_te2_"
    bare = path.removeprefix(INNER)
    return prefix + _flat(bare if bare.startswith("text_projection") else INNER + bare)


class LayerNames:
    """Finds the layers of one model by any of their names. `unet`: its config, for the original layout's names."""

    def __init__(self, layers: Mapping[Part, Iterable[str]], unet: Mapping[str, Any]) -> None:
        self._paths: dict[tuple[Part, str], str] = {}
        original = unet_map(unet, "")
        for part, paths in layers.items():
            for path in paths:
                self._paths[part, _flat(path.removeprefix(INNER))] = path
                if part == "unet":
                    with contextlib.suppress(KeyError):  # a layer that the original layout does not have
                        self._paths.setdefault((part, _flat(_original(path, original))), path)

    def find(self, name: str) -> tuple[Part, str] | None:
        """Part and path of a module named in a file, without its suffix; None when this model has no such layer."""
        part, flat = split_part(name)
        path = self._paths.get((part, flat))
        return None if path is None else (part, path)


def split_part(name: str) -> tuple[Part, str]:
    """The part that a file's module belongs to, and the rest of its name with "_" for "."."""
    flat = _flat(name)
    for wrapper in WRAPPERS:
        flat = flat.removeprefix(wrapper)
    part: Part = "text_encoder" if flat.startswith(TEXT) else "unet"
    for prefix, owner in PREFIXES:
        if flat.startswith(prefix):
            part, flat = owner, flat.removeprefix(prefix)
            break
    if part != "unet":
        flat = flat.removeprefix(_flat(INNER))
    return part, flat


def of_processor(name: str) -> str:
    """The layer of an attention processor's matrix: "...attn1.processor.to_q" as "...attn1_to_q"."""
    flat = _flat(name.replace(".processor.", "."))
    for old, new in PROCESSOR.items():
        if flat.endswith(old):
            return flat.removesuffix(old) + new
    return re.sub(r"_to_out$", "_to_out_0", flat)


def _original(path: str, names: NameMap) -> str:
    """A U-Net layer's path in the original layout; KeyError when it has none."""
    return names(f"{path}.weight").name.removesuffix(".weight")


def _flat(path: str) -> str:
    return path.replace(".", "_")
