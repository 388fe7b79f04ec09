"""What a model file holds, told from its tensors' names and shapes; its prediction from what lies beside them."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from modules.processing.models.safetensors_header import Header, TensorInfo

Kind = Literal["checkpoint", "vae", "lora", "embedding", "other"]
UNET = "model.diffusion_model."
CROSS = re.compile(r"input_blocks\.\d+\.1\.transformer_blocks\.0\.attn2\.to_k\.weight$")
PLACES = {"vae": "models/VAE", "lora": "models/Lora", "embedding": "models/embeddings"}
LABELS = {"vae": "a VAE", "lora": "a LoRA", "embedding": "an embedding", "other": "no Stable Diffusion checkpoint"}


@dataclass(frozen=True)
class Detected:
    kind: Kind
    family: str = ""
    variant: str = ""  # "", "inpaint" (9 input channels), "pix2pix" (8)
    prediction: str = ""  # "epsilon", "v_prediction", or "" when the file does not say
    zero_snr: bool = False

    def complaint(self) -> str:
        """Why this cannot be used as a checkpoint, or ""."""
        if self.kind == "checkpoint":
            return ""
        move = f"; move it to {PLACES[self.kind]}" if self.kind in PLACES else ""
        return f"This is {LABELS[self.kind]}{move}."


def detect(header: Header) -> Detected:
    """Kind, family and variant of a single file."""
    tensors = header.tensors
    conv = tensors.get(UNET + "input_blocks.0.0.weight")
    if conv is None or len(conv.shape) != 4:
        return Detected(_other_kind(tensors))
    channels = conv.shape[1]
    variant = {9: "inpaint", 8: "pix2pix"}.get(channels, "")
    family = _family(tensors)
    if not family:
        return Detected("other")
    markers = ("v_pred" in tensors, "ztsnr" in tensors)
    prediction = "v_prediction" if markers[0] else _normal(header.metadata.get("modelspec.prediction_type", ""))
    return Detected("checkpoint", family, variant, prediction, markers[1])


def _family(tensors: Mapping[str, TensorInfo]) -> str:
    if any(name.startswith("conditioner.embedders.1.model.") for name in tensors):
        return "sdxl"
    if any(name.startswith("conditioner.embedders.0.model.") for name in tensors):
        return "sdxl_refiner"
    if any(name.startswith("cond_stage_model.model.") for name in tensors):
        return "sd2"
    if any(name.startswith("cond_stage_model.transformer.") for name in tensors):
        return "sd1"
    widths = {info.shape[-1] for name, info in tensors.items() if name.startswith(UNET) and CROSS.search(name)}
    known = {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl_refiner"}
    return next((known[one] for one in widths if one in known), "")


def _other_kind(tensors: Mapping[str, TensorInfo]) -> Kind:
    names = list(tensors)
    if any(".lora_" in name or name.startswith("lora_") or ".hada_" in name or ".lokr_" in name for name in names):
        return "lora"
    if any(name.endswith("decoder.conv_in.weight") for name in names):
        return "vae"
    if 0 < len(names) <= 4 and all(len(one.shape) <= 2 for one in tensors.values()):
        return "embedding"
    return "other"


def prediction_beside(path: Path) -> str:
    """The prediction that <stem>.json ("prediction_type") or <stem>.yaml ("parameterization") tells, or ""."""
    with contextlib.suppress(OSError, ValueError):
        notes = json.loads(path.with_suffix(".json").read_text("utf-8"))
        if isinstance(notes, dict) and (told := _normal(str(notes.get("prediction_type", "")))):
            return told
    with contextlib.suppress(OSError, ValueError):
        text = path.with_suffix(".yaml").read_text("utf-8")
        if found := re.search(r"^\s*parameterization:\s*[\"']?(\w+)", text, re.MULTILINE):
            return _normal(found[1])
        if "VScaling" in text or "VWeighting" in text:
            return "v_prediction"
    return ""


def _normal(word: str) -> str:
    """Spellings of the two predictions that are met in the wild."""
    plain = word.strip().lower().replace("-", "_")
    if plain in ("v", "v_prediction", "v_pred", "velocity"):
        return "v_prediction"
    return "epsilon" if plain in ("eps", "epsilon") else ""


def folder_family(index: Mapping[str, object], unet: Mapping[str, object]) -> tuple[str, str]:
    """Family and variant of a diffusers folder, from model_index.json and unet/config.json."""
    variant = {9: "inpaint", 8: "pix2pix"}.get(int(str(unet.get("in_channels", 4))), "")
    if unet.get("addition_embed_type") == "text_time":
        second_only = "text_encoder_2" in index and index.get("text_encoder") in (None, [None, None])
        score = unet.get("cross_attention_dim") == 1280 or index.get("requires_aesthetics_score")
        return "sdxl_refiner" if score or second_only else "sdxl", variant
    return "sd2" if unet.get("cross_attention_dim") == 1024 or unet.get("use_linear_projection") else "sd1", variant
