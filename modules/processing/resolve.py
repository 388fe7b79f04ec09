"""Generate + settings -> Plan: the only place where defaults are filled, seeds drawn and names looked up.

Without torch, so that a request is refused before it queues.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modules.core.errors import UserError
from modules.core.settings import Settings, setting_registry
from modules.processing import options
from modules.processing.memory import resolve_mode
from modules.processing.models.catalog import ModelCatalog, ModelFile
from modules.processing.models.vae import choose_vae
from modules.processing.requests import Churn, Generate, JsonValue, Prompt, Seed
from modules.processing.samplers import Sampler, knob_values, samplers
from modules.processing.samplers import options as sampler_options
from modules.processing.schedules import SigmaOptions, resolve_schedule, split_combined_name
from modules.prompting import settings as prompt_settings
from modules.prompting.comments import strip_comments
from modules.prompting.networks import parse_networks

if TYPE_CHECKING:
    from modules.prompting.styles import StyleBook

SEEDS = 2**32  # seeds that a request may name: 0 to 4294967295
LATENT_STEP = 8  # pixels per latent, in every family so far
DEFAULT_SAMPLER = "DPM++ 2M"
UNTOLD = (
    options.SDXL_CLIP_L_SKIP,
    options.SDXL_CROP_TOP,
    options.SDXL_CROP_LEFT,
    options.REFINER_SCORE,
    options.REFINER_NEGATIVE_SCORE,
    options.BATCH_COND_UNCOND,
    prompt_settings.COMMA_BACKTRACK,
    sampler_options.NO_BROWNIAN_DETERMINISM,
)  # settings that shape pictures and have no name in A1111's infotext


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
    clip_skip: int
    emphasis: str
    comma_backtrack: int
    old_timelines: bool
    sdxl_l_skip: bool
    pad: bool


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
    sampler: str
    schedule: str
    steps: int
    knobs: Mapping[str, JsonValue]
    sigmas: SigmaOptions
    sgm_noise: bool
    zero_snr: bool


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
    tiling: bool
    refiner: ModelFile | None
    switch_at: float
    by_steps: bool


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A decided request: nothing is None by omission, seeds are drawn, files found. `request` alone makes it again."""

    request: Generate
    pictures: tuple[PicturePlan, ...]
    text: TextPlan
    guidance: GuidancePlan
    sampling: SamplingPlan
    noise: NoisePlan
    model: ModelPlan
    notes: tuple[str, ...] = ()  # things a person should know: networks not applied, ...

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


def resolve(
    request: Generate,
    settings: Settings,
    catalog: ModelCatalog,
    styles: StyleBook,
    draw: Callable[[int], int] = random.randrange,
) -> Plan:
    """Decide everything the request left open. UserError names the field that cannot be granted.

    draw(n) gives a random int in [0, n): injected by tests.
    """
    settings = settings.with_overrides(request.overrides)
    _check_ranges(request)
    prompt, negative = _prompts(request.prompt, styles, settings)
    text, networks = parse_networks(prompt)
    notes: list[str] = []
    if networks:
        names = ", ".join(f"<{one.kind}:{':'.join(one.args)}>" for one in networks)
        notes.append(f"Extra networks are read but cannot be applied yet: {names}.")
    seed = _draw_seeds(request.seed, draw)
    varied = seed.variation_strength > 0
    pictures = tuple(
        PicturePlan(
            prompt=prompt,
            negative=negative,
            text=text,
            seed=seed.seed if varied else (seed.seed + index) % SEEDS,
            variation=(seed.variation + index) % SEEDS,
        )
        for index in range(request.shape.batch_size * request.shape.batch_count)
    )
    model = _model(request, settings, catalog)
    if not request.model.checkpoint and (missed := catalog.default_and_missed(settings)[1]):
        notes.append(f"{missed} {model.checkpoint.title} was used instead.")
    sampler, schedule = _sampler(request)
    text_plan = TextPlan(
        clip_skip=request.model.clip_skip or settings[options.CLIP_SKIP],
        emphasis=settings[prompt_settings.EMPHASIS],
        comma_backtrack=settings[prompt_settings.COMMA_BACKTRACK],
        old_timelines=settings[prompt_settings.OLD_SCHEDULING],
        sdxl_l_skip=settings[options.SDXL_CLIP_L_SKIP],
        pad=settings[options.PAD_COND_UNCOND],
    )
    decided = dataclasses.replace(
        request,
        prompt=Prompt(positive=prompt, negative=negative),
        seed=seed,
        sampling=dataclasses.replace(request.sampling, sampler=sampler.name, schedule=schedule),
        model=dataclasses.replace(
            request.model,
            checkpoint=model.checkpoint.title,
            vae=model.vae.name if model.vae else "None",
            clip_skip=text_plan.clip_skip,
            tiling=model.tiling,
        ),
        overrides={**_changed(settings), **request.overrides},
    )
    return Plan(
        request=decided,
        pictures=pictures,
        text=text_plan,
        guidance=GuidancePlan(
            cfg_scale=request.sampling.cfg_scale,
            skip_below=_first(request.sampling.negative_guidance_minimum_sigma, settings[sampler_options.NGMS]),
            skip_below_always=settings[sampler_options.NGMS_ALL],
            skip_early=settings[sampler_options.SKIP_EARLY],
            batched=settings[options.BATCH_COND_UNCOND],
        ),
        sampling=SamplingPlan(
            sampler=sampler.name,
            schedule=schedule,
            steps=request.sampling.steps,
            knobs=_knobs(request, sampler, settings),
            sigmas=SigmaOptions.from_settings(settings),
            sgm_noise=settings[sampler_options.SGM_NOISE],
            zero_snr=settings[sampler_options.NOISE_SCHEDULE] == "Zero Terminal SNR",
        ),
        noise=NoisePlan(
            source=settings[sampler_options.NOISE_SOURCE],
            strength=seed.variation_strength,
            resize_from=(seed.resize_from_height, seed.resize_from_width),
            ensd=settings[sampler_options.ENSD] if sampler.ancestral else 0,
            brownian_per_image=not settings[sampler_options.NO_BROWNIAN_DETERMINISM],
        ),
        model=model,
        notes=tuple(notes),
    )


def _changed(settings: Settings) -> dict[str, JsonValue]:
    """The settings that shape pictures and are not at their default: a picture's request carries them along."""
    shaping = (one for one in setting_registry if one.scope == "user" and (one.infotext or one in UNTOLD))
    return {one.key: settings[one] for one in shaping if settings[one] != one.default}


def _check_ranges(request: Generate) -> None:
    shape, sampling = request.shape, request.sampling
    for name, value in (("width", shape.width), ("height", shape.height)):
        if not 64 <= value <= 16384:
            raise UserError(f"The {name} is {value}, but 64 to 16384 pixels are possible.", field=name)
        if value % LATENT_STEP:
            near = max(64, round(value / LATENT_STEP) * LATENT_STEP)
            raise UserError(
                f"The {name} is {value}, which is not a multiple of {LATENT_STEP}.", hint=f"Use {near}.", field=name
            )
    for name, value, low, high in (
        ("batch_size", shape.batch_size, 1, 64),
        ("batch_count", shape.batch_count, 1, 10_000),
        ("steps", sampling.steps, 1, 150),
        ("cfg_scale", sampling.cfg_scale, 0, 100),
        ("variation_strength", request.seed.variation_strength, 0, 1),
    ):
        if not low <= value <= high:
            raise UserError(f"{name} is {value}, but {low} to {high} is possible.", field=name)
    seed = request.seed
    for name, size in (("resize_from_width", seed.resize_from_width), ("resize_from_height", seed.resize_from_height)):
        if size > 16384:
            raise UserError(f"{name} is {size}, but at most 16384 is possible.", field=name)


def _prompts(prompt: Prompt, styles: StyleBook, settings: Settings) -> tuple[str, str]:
    """Styles merged, then comments stripped."""
    positive, negative = styles.apply(prompt.positive, prompt.negative, prompt.styles)
    if settings[prompt_settings.ENABLE_COMMENTS]:
        positive, negative = strip_comments(positive), strip_comments(negative)
    return positive, negative


def _draw_seeds(seed: Seed, draw: Callable[[int], int]) -> Seed:
    for name, value in (("seed", seed.seed), ("variation", seed.variation)):
        if not -1 <= value < 2**64:
            raise UserError(f"{name} is {value}, but -1 (random) to {SEEDS - 1} is possible.", field=name)
    if (seed.resize_from_width > 0) != (seed.resize_from_height > 0):
        seed = dataclasses.replace(seed, resize_from_width=0, resize_from_height=0)
    top = SEEDS - 2
    return dataclasses.replace(
        seed,
        seed=draw(top) if seed.seed == -1 else seed.seed % SEEDS,
        variation=draw(top) if seed.variation == -1 else seed.variation % SEEDS,
        resize_from_width=max(0, seed.resize_from_width),
        resize_from_height=max(0, seed.resize_from_height),
    )


def _model(request: Generate, settings: Settings, catalog: ModelCatalog) -> ModelPlan:
    wish = request.model
    checkpoint = catalog.find_checkpoint(wish.checkpoint) if wish.checkpoint else catalog.default(settings)
    refiner = catalog.find_checkpoint(wish.refiner.checkpoint) if wish.refiner else None
    return ModelPlan(
        checkpoint=checkpoint,
        vae=choose_vae(checkpoint, wish.vae, catalog, settings),
        mode=resolve_mode(settings),
        tiling=settings[options.TILING] if wish.tiling is None else wish.tiling,
        refiner=refiner,
        switch_at=wish.refiner.switch_at if wish.refiner else 1.0,
        by_steps=settings[options.REFINER_BY_STEPS],
    )


def _sampler(request: Generate) -> tuple[Sampler, str]:
    name, schedule = split_combined_name(request.sampling.sampler or DEFAULT_SAMPLER)
    sampler = samplers.get(name)
    wish = request.sampling.schedule
    return sampler, resolve_schedule(sampler, schedule if wish.casefold() == "automatic" else wish)


def _knobs(request: Generate, sampler: Sampler, settings: Settings) -> Mapping[str, JsonValue]:
    """What this sampler can be told: the request's values where given, else the settings'."""
    churn = request.sampling.churn or Churn()
    wished = {"eta": request.sampling.eta, **dataclasses.asdict(churn)}
    return knob_values(sampler, settings, {name: one for name, one in wished.items() if one is not None})


def _first(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
