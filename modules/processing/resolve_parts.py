"""What both passes of a request decide alike: texts, seeds by picture, sampler, model, and ranges."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modules.core.errors import UserError
from modules.core.settings import Settings
from modules.processing import options
from modules.processing.memory import resolve_mode
from modules.processing.models.catalog import ModelCatalog
from modules.processing.models.vae import choose_vae
from modules.processing.networks.wishes import with_added
from modules.processing.plan import ModelPlan, NoisePlan, PicturePlan
from modules.processing.requests import Churn, Generate, JsonValue, Prompt, Seed
from modules.processing.samplers import Sampler, knob_values, samplers
from modules.processing.samplers import options as sampler_options
from modules.processing.schedules import resolve_schedule, split_combined_name
from modules.prompting import settings as prompt_settings
from modules.prompting.comments import strip_comments

if TYPE_CHECKING:
    from modules.processing.networks.files import NetworkFiles
    from modules.prompting.styles import StyleBook

SEEDS = 2**32  # seeds that a request may name: 0 to 4294967295
LATENT_STEP = 8  # pixels per latent, in every family so far
IMAGE_CFG_SCALE = 1.5  # of InstructPix2Pix models
DEFAULT_SAMPLER = "DPM++ 2M"


@dataclass(frozen=True)
class Library:
    """What the names in a request are looked up in."""

    catalog: ModelCatalog
    networks: NetworkFiles
    styles: StyleBook


def prompts_for(prompt: Prompt, styles: StyleBook, settings: Settings) -> tuple[str, str]:
    """Styles merged, comments stripped, and the settings' network added."""
    positive, negative = styles.apply(prompt.positive, prompt.negative, prompt.styles)
    if settings[prompt_settings.ENABLE_COMMENTS]:
        positive, negative = strip_comments(positive), strip_comments(negative)
    return with_added(positive, settings), negative


def pictures_for(request: Generate, seed: Seed, prompt: str, negative: str, text: str) -> tuple[PicturePlan, ...]:
    varied = seed.variation_strength > 0
    return tuple(
        PicturePlan(
            prompt=prompt,
            negative=negative,
            text=text,
            seed=seed.seed if varied else (seed.seed + index) % SEEDS,
            variation=(seed.variation + index) % SEEDS,
        )
        for index in range(request.shape.batch_size * request.shape.batch_count)
    )


def sampler_for(name: str | None, wish: str) -> tuple[Sampler, str]:
    name, schedule = split_combined_name(name or DEFAULT_SAMPLER)
    sampler = samplers.get(name)
    return sampler, resolve_schedule(sampler, schedule if wish.casefold() == "automatic" else wish)


def knobs_for(request: Generate, sampler: Sampler, settings: Settings) -> Mapping[str, JsonValue]:
    """What this sampler can be told: the request's values where given, else the settings'."""
    churn = request.sampling.churn or Churn()
    wished = {"eta": request.sampling.eta, **dataclasses.asdict(churn)}
    return knob_values(sampler, settings, {name: one for name, one in wished.items() if one is not None})


def noise_for(seed: Seed, sampler: Sampler, settings: Settings) -> NoisePlan:
    return NoisePlan(
        source=settings[sampler_options.NOISE_SOURCE],
        strength=seed.variation_strength,
        resize_from=(seed.resize_from_height, seed.resize_from_width),
        ensd=settings[sampler_options.ENSD] if sampler.ancestral else 0,
        brownian_per_image=not settings[sampler_options.NO_BROWNIAN_DETERMINISM],
    )


def model_for(request: Generate, settings: Settings, catalog: ModelCatalog) -> ModelPlan:
    wish = request.model
    checkpoint = catalog.find_checkpoint(wish.checkpoint) if wish.checkpoint else catalog.default(settings)
    refiner = catalog.find_checkpoint(wish.refiner.checkpoint) if wish.refiner else None
    tiling = settings[options.TILING] if wish.tiling is None else wish.tiling
    return ModelPlan(
        checkpoint=checkpoint,
        vae=choose_vae(checkpoint, wish.vae, catalog, settings),
        mode=resolve_mode(settings),
        tiling="both" if tiling is True else tiling or None,
        refiner=refiner,
        switch_at=wish.refiner.switch_at if wish.refiner else 1.0,
        by_steps=settings[options.REFINER_BY_STEPS],
    )


def check_within(checks: list[tuple[str, float, float, float]]) -> None:
    """(name, value, lowest, highest) each."""
    for name, value, low, high in checks:
        if not low <= value <= high:
            raise UserError(f"{name} is {value}, but {low} to {high} is possible.", field=name)


def given(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
