"""The model families, one file each: what their parts look like and how texts are encoded for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from modules.core.registry import Registry, import_folder

Config = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class TextEncoderRecipe:
    """One text encoder: where it is, and which of its hidden states the network reads.

    `kind` "clip" is a CLIPTextModel, "open_clip" the same network from OpenCLIP's names, with a projection when
    `projection` is set. `clip_skip` says whether the clip skip setting applies.
    """

    subfolder: str
    tokenizer: str
    kind: Literal["clip", "open_clip"]
    prefix: str  # of its tensors in a single file
    config: Config
    width: int
    pad_id: int = 49407
    layer: Literal["last", "penultimate"] = "last"
    final_norm: bool = True
    projection: bool = False
    clip_skip: Literal["always", "setting", "never"] = "always"


@dataclass(frozen=True, kw_only=True)
class TextRecipe:
    """Hidden states of all encoders side by side; `pooled_from` is the index of the encoder of the pooled state."""

    encoders: tuple[TextEncoderRecipe, ...]
    pooled_from: int | None = None
    zero_empty_negative: bool = False


@dataclass(frozen=True, kw_only=True)
class Family:
    """preview_matrix: [C + 1][3], latent channels to RGB in [0, 1], the last row is added."""

    name: str
    label: str
    native_size: tuple[int, int]  # width, height
    unet: Config
    vae: Config
    text: TextRecipe
    preview_matrix: tuple[tuple[float, float, float], ...]
    size_conditions: Literal["none", "sdxl", "refiner"] = "none"
    prediction: str = "epsilon"
    zero_snr: bool = False
    scheduler: Config = field(default_factory=dict)

    @property
    def scaling_factor(self) -> float:
        return float(self.vae["scaling_factor"])


families: Registry[Family] = Registry("model family")
import_folder(__name__)
