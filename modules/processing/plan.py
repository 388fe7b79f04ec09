"""A decided request: what `resolve` made of it, and all that a run needs to know. Frozen; no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from modules.processing.models.catalog import ModelFile
from modules.processing.networks.embeddings import EmbeddingFile
from modules.processing.networks.files import NetworkFile
from modules.processing.passes import Size
from modules.processing.requests import Generate, JsonValue, Prompt, Windows
from modules.processing.schedules import SigmaOptions
from modules.processing.stages.odd_sizes import OddSize


@dataclass(frozen=True, kw_only=True)
class PicturePlan:
    """One picture of the job. `prompt` is what the paper says; `text` is what the encoder reads."""

    prompt: str
    negative: str
    text: str
    seed: int
    variation: int


@dataclass(frozen=True, kw_only=True)
class TextPlan:
    """first_steps: steps of the pass before this one, from which prompts that change by step count on; 0: none.

    embeddings: those whose names stand in the texts and that the model can read.
    """

    clip_skip: int
    emphasis: str
    comma_backtrack: int
    old_timelines: bool
    sdxl_l_skip: bool
    pad: bool
    first_steps: int = 0
    embeddings: tuple[EmbeddingFile, ...] = ()


@dataclass(frozen=True, kw_only=True)
class GuidancePlan:
    """The negative prompt rests below sigma `skip_below` (NGMS), and for the first `skip_early` of the steps."""

    cfg_scale: float
    skip_below: float
    skip_below_always: bool
    skip_early: float
    batched: bool


@dataclass(frozen=True, kw_only=True)
class SamplingPlan:
    """`steps` as asked; the noise levels are laid out for `total` steps, and the first `skipped` are left out."""

    sampler: str
    schedule: str
    steps: int
    knobs: Mapping[str, JsonValue]
    sigmas: SigmaOptions
    sgm_noise: bool
    zero_snr: bool
    total: int
    skipped: int = 0

    @property
    def run(self) -> int:
        """Steps that are really made."""
        return self.total - self.skipped


@dataclass(frozen=True, kw_only=True)
class NoisePlan:
    """resize_from: (height, width) in pixels, or (0, 0)."""

    source: str
    strength: float
    resize_from: tuple[int, int]
    ensd: int
    brownian_per_image: bool


@dataclass(frozen=True, kw_only=True)
class ModelPlan:
    """`refiner` takes over at `switch_at` of the way, counted in noise levels, or in steps when `by_steps`."""

    checkpoint: ModelFile
    vae: ModelFile | None
    mode: str
    tiling: Literal["x", "y", "both"] | None
    refiner: ModelFile | None
    switch_at: float
    by_steps: bool


@dataclass(frozen=True, kw_only=True)
class NetworkPlan:
    """A network and its multipliers. `matched` of `total` modules have a layer in the checkpoint; 0 of 0: not known.

    called: its name in the prompt. dyn: the first ranks of a LoRA only; None: all.
    """

    file: NetworkFile
    te: float = 1.0
    unet: float = 1.0
    dyn: int | None = None
    called: str = ""
    matched: int = 0
    total: int = 0


@dataclass(frozen=True, kw_only=True)
class SourcePlan:
    """How a pass starts from a picture."""

    strength: float
    noise_multiplier: float
    extra_noise: float
    image_cfg_scale: float
    condition_weight: float


@dataclass(frozen=True, kw_only=True)
class FramePlan:
    """How pictures get onto the canvas, and off it again.

    `background` shows through transparent places, `upscaler` enlarges sources ("None": Lanczos), `match_colours` gives
    results the colours of their source, `overlay` puts the original back around what was inpainted.
    """

    odd_size: OddSize
    background: str
    upscaler: str
    match_colours: bool
    overlay: bool


@dataclass(frozen=True, kw_only=True)
class HiresPlan:
    """The picture is enlarged to `cover` by `upscaler`, cut to the size of `second` and goes through that plan."""

    upscaler: str
    cover: Size
    first: str  # a picture of the store instead of a first pass
    second: Plan


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A decided request: nothing is None by omission, seeds are drawn, files found. `request` alone makes it again.

    canvas: what the network works on; the asked size rounded up to whole latents.
    """

    request: Generate
    canvas: Size
    pictures: tuple[PicturePlan, ...]
    text: TextPlan
    guidance: GuidancePlan
    sampling: SamplingPlan
    noise: NoisePlan
    model: ModelPlan
    frame: FramePlan
    networks: tuple[NetworkPlan, ...] = ()
    source: SourcePlan | None = None
    windows: Windows | None = None
    hires: HiresPlan | None = None
    notes: tuple[str, ...] = ()  # things a person should know: ...

    @property
    def batches(self) -> list[tuple[PicturePlan, ...]]:
        size = self.request.shape.batch_size
        return [self.pictures[start : start + size] for start in range(0, len(self.pictures), size)]

    def batch_request(self, batch: int) -> Generate:
        """The request that makes this one batch again, with its own seeds and the final prompt."""
        first = self.batches[batch][0]
        seed = dataclasses.replace(self.request.seed, seed=first.seed, variation=first.variation)
        shape = dataclasses.replace(self.request.shape, batch_count=1)
        prompt = Prompt(positive=first.prompt, negative=first.negative)
        return dataclasses.replace(self.request, seed=seed, shape=shape, prompt=prompt)
