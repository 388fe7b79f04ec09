"""Which model family a network file was made for: by its sizes first, then its names, then its metadata."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping

from modules.processing.models.safetensors_header import Header
from modules.processing.networks.kinds import Sizes, kind_of
from modules.processing.networks.names import split_part

CROSS = re.compile(r"attn2_to_[kv]$")  # reads the text: as wide as the family's
ATTENTION = re.compile(r"self_attn_[qkvo]\w*_proj$|self_attn_out_proj$")
OUTPUTS = (320, 640, 1280)  # of attention in every family's U-Net
CROSS_WIDTHS = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
TEXT_WIDTHS = {1024: "sd2", 1280: "sdxl"}  # CLIP-L's 768 is read by SD 1 and SDXL
XL_NAMES = re.compile(r"(lora_te1_|lora_te2_|text_encoder_2\b|.*transformer_blocks[._][2-9])")
LABELS = {"sd1": "SD 1", "sd2": "SD 2", "sdxl": "SDXL", "sdxl_refiner": "the SDXL refiner"}


def family_of(header: Header, groups: Mapping[str, Mapping[str, str]]) -> str:
    """ "sd1", "sd2", "sdxl" or "". groups: the header's keys by module, as take_apart gives them."""
    for name, group in groups.items():
        part, flat = split_part(name)
        sizes = {one: header.tensors[key].shape for one, key in group.items()}
        if part == "unet" and CROSS.search(flat):
            found = _width(sizes, CROSS_WIDTHS, OUTPUTS)
        elif part != "unet" and ATTENTION.search(flat):
            found = _width(sizes, TEXT_WIDTHS, ())
        else:
            continue
        if found:
            return found
    if any(XL_NAMES.match(name) for name in groups):
        return "sdxl"
    return _told(header.metadata)


def _width(sizes: Sizes, widths: Mapping[int, str], outputs: tuple[int, ...]) -> str:
    """The family whose weight the tensors fit. Vectors say too little."""
    kind = kind_of(sizes)
    if kind is None or kind.name in ("IA3", "OFT"):
        return ""
    with contextlib.suppress(LookupError):
        for width, family in widths.items():
            if any(kind.fits(sizes, (out, width)) for out in outputs or (width,)):
                return family
    return ""


def _told(metadata: Mapping[str, str]) -> str:
    """What the metadata say; other families than ours are no answer."""
    version = metadata.get("ss_base_model_version", "").lower()
    architecture = metadata.get("modelspec.architecture", "").lower()
    if version.startswith("sdxl") or "stable-diffusion-xl" in architecture:
        return "sdxl"
    if version.startswith("sd_v2") or "stable-diffusion-v2" in architecture or metadata.get("ss_v2") == "True":
        return "sd2"
    if version.startswith("sd_v1") or "stable-diffusion-v1" in architecture or metadata.get("ss_v2") == "False":
        return "sd1"
    return ""
