"""Generate + settings -> Plan: the only place where defaults are filled, seeds drawn and names looked up.

Without torch, so that a request is refused before it queues.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from modules.core.errors import UserError
from modules.core.settings import Settings, setting_registry
from modules.processing import options
from modules.processing.memory import resolve_mode
from modules.processing.models.catalog import ModelCatalog
from modules.processing.models.facts import model_facts
from modules.processing.models.vae import choose_vae
from modules.processing.passes import (
    Size,
    Steps,
    choose_method,
    hires_sizes,
    steps_for,
    windows_for,
    with_first_pass,
)
from modules.processing.plan import (
    FramePlan,
    GuidancePlan,
    HiresPlan,
    ModelPlan,
    NoisePlan,
    PicturePlan,
    Plan,
    SamplingPlan,
    SourcePlan,
    TextPlan,
)
from modules.processing.requests import (
    SOFT_RANGES,
    Churn,
    Generate,
    Hires,
    InitImage,
    JsonValue,
    MaskedImage,
    Noise,
    Prompt,
    Seed,
)
from modules.processing.samplers import Sampler, knob_values, samplers
from modules.processing.samplers import options as sampler_options
from modules.processing.schedules import SigmaOptions, resolve_schedule, split_combined_name
from modules.processing.stages.odd_sizes import canvas_size, chosen_method
from modules.processing.tasks import options as task_options
from modules.prompting import settings as prompt_settings
from modules.prompting.comments import strip_comments
from modules.prompting.networks import parse_networks

if TYPE_CHECKING:
    from modules.prompting.styles import StyleBook

SEEDS = 2**32  # seeds that a request may name: 0 to 4294967295
IMAGE_CFG_SCALE = 1.5  # of InstructPix2Pix models
MAX_SIDE = 32768  # pixels of a picture that a second pass is cut out of
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
    task_options.EXACT_STEPS,
    task_options.COLOUR_CORRECTION,
    task_options.BACKGROUND,
    task_options.OVERLAY,
    task_options.UPSCALER,
)  # settings that shape pictures and have no name in A1111's infotext


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
    model = _model(request, settings, catalog)
    request = _with_method(request, model_facts(model.checkpoint).native_size)
    shape = request.shape
    prompt, negative = _prompts(request.prompt, styles, settings)
    text, notes = _without_networks(prompt)
    seed = _draw_seeds(request.seed, draw)
    if not request.model.checkpoint and (missed := catalog.default_and_missed(settings)[1]):
        notes.append(f"{missed} {model.checkpoint.title} was used instead.")
    sampler, schedule = _sampler(request.sampling.sampler, request.sampling.schedule)
    text_plan, source = _text(request, settings), _source(request, settings)
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
            tiling=True if model.tiling == "both" else model.tiling or False,
        ),
        overrides={**_changed(settings), **request.overrides},
    )
    plan = Plan(
        request=decided,
        canvas=canvas_size(shape.width, shape.height, LATENT_STEP),
        pictures=_pictures(request, seed, prompt, negative, text),
        text=text_plan,
        guidance=_guidance(request, settings),
        sampling=_sampling(request, sampler, schedule, source, settings),
        noise=_noise(seed, sampler, settings),
        model=model,
        frame=_frame(settings),
        source=source,
        windows=shape.windows if shape.method == "windows" else None,
        notes=tuple(notes),
    )
    if request.after.hires is None:
        return plan
    second = _second_pass(plan, request, request.after.hires, settings, catalog, styles)
    return _with_second_pass(plan, request, request.after.hires, second, settings)


def _with_method(request: Generate, native: Size) -> Generate:
    """The request with its method decided: "auto" is gone, hires has its first pass, windows have their sizes."""
    method = choose_method(request, native)
    if method == "hires" and isinstance(request.source, Noise):
        return with_first_pass(request, native, LATENT_STEP)
    if method == "hires":
        raise UserError(
            'The method is "hires", but a picture that is worked on has no first pass.',
            hint='Use "direct" or "windows".',
            field="method",
        )
    shape = dataclasses.replace(request.shape, method=method)
    if method == "windows":
        shape = dataclasses.replace(shape, windows=windows_for(shape.windows, native, LATENT_STEP))
    return dataclasses.replace(request, shape=shape)


def _guidance(request: Generate, settings: Settings) -> GuidancePlan:
    return GuidancePlan(
        cfg_scale=request.sampling.cfg_scale,
        skip_below=_first(request.sampling.negative_guidance_minimum_sigma, settings[sampler_options.NGMS]),
        skip_below_always=settings[sampler_options.NGMS_ALL],
        skip_early=settings[sampler_options.SKIP_EARLY],
        batched=settings[options.BATCH_COND_UNCOND],
    )


def _sampling(
    request: Generate, sampler: Sampler, schedule: str, source: SourcePlan | None, settings: Settings
) -> SamplingPlan:
    steps, exact = request.sampling.steps, settings[task_options.EXACT_STEPS]
    way = steps_for(steps, source.strength, exact=exact) if source else Steps(total=steps)
    return SamplingPlan(
        sampler=sampler.name,
        schedule=schedule,
        steps=steps,
        knobs=_knobs(request, sampler, settings),
        sigmas=SigmaOptions.from_settings(settings),
        sgm_noise=settings[sampler_options.SGM_NOISE],
        zero_snr=settings[sampler_options.NOISE_SCHEDULE] == "Zero Terminal SNR",
        total=way.total,
        skipped=way.skipped,
    )


def _noise(seed: Seed, sampler: Sampler, settings: Settings) -> NoisePlan:
    return NoisePlan(
        source=settings[sampler_options.NOISE_SOURCE],
        strength=seed.variation_strength,
        resize_from=(seed.resize_from_height, seed.resize_from_width),
        ensd=settings[sampler_options.ENSD] if sampler.ancestral else 0,
        brownian_per_image=not settings[sampler_options.NO_BROWNIAN_DETERMINISM],
    )


def _with_second_pass(plan: Plan, request: Generate, hires: Hires, second: Plan, settings: Settings) -> Plan:
    refines = settings[task_options.REFINER_PASS]
    own = dataclasses.replace(
        hires.second,
        positive=hires.second.positive and second.request.prompt.positive,
        negative=hires.second.negative and second.request.prompt.negative,
    )
    after = dataclasses.replace(plan.request.after, hires=dataclasses.replace(hires, second=own))
    return dataclasses.replace(
        plan,
        request=dataclasses.replace(plan.request, after=after),
        model=_without_refiner(plan.model, keep=refines != "second pass"),
        hires=HiresPlan(
            upscaler=hires.upscaler,
            cover=hires_sizes(request.shape.width, request.shape.height, hires)[0],
            first=hires.first,
            second=dataclasses.replace(second, model=_without_refiner(second.model, keep=refines != "first pass")),
        ),
        notes=(*plan.notes, *second.notes),
    )


def _pictures(request: Generate, seed: Seed, prompt: str, negative: str, text: str) -> tuple[PicturePlan, ...]:
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


def _without_networks(prompt: str) -> tuple[str, list[str]]:
    """The text that the encoder reads, and what a person should know about it."""
    text, networks = parse_networks(prompt)
    if not networks:
        return text, []
    names = ", ".join(f"<{one.kind}:{':'.join(one.args)}>" for one in networks)
    return text, [f"Extra networks are read but cannot be applied yet: {names}."]


def _text(request: Generate, settings: Settings) -> TextPlan:
    return TextPlan(
        clip_skip=request.model.clip_skip or settings[options.CLIP_SKIP],
        emphasis=settings[prompt_settings.EMPHASIS],
        comma_backtrack=settings[prompt_settings.COMMA_BACKTRACK],
        old_timelines=settings[prompt_settings.OLD_SCHEDULING],
        sdxl_l_skip=settings[options.SDXL_CLIP_L_SKIP],
        pad=settings[options.PAD_COND_UNCOND],
    )


def _frame(settings: Settings) -> FramePlan:
    return FramePlan(
        odd_size=chosen_method(settings),
        background=settings[task_options.BACKGROUND],
        upscaler=settings[task_options.UPSCALER],
        match_colours=settings[task_options.COLOUR_CORRECTION],
        overlay=settings[task_options.OVERLAY],
    )


def _source(request: Generate, settings: Settings) -> SourcePlan | None:
    """How the first pass starts from a picture; None when it starts from noise."""
    match request.source:
        case Noise():
            return None
        case InitImage() as init:
            pass
        case MaskedImage(init=init):
            pass
    _check_source(init, request.source)
    return SourcePlan(
        strength=init.strength,
        noise_multiplier=settings[task_options.NOISE_MULTIPLIER],
        extra_noise=settings[task_options.EXTRA_NOISE],
        image_cfg_scale=_first(init.image_cfg_scale, IMAGE_CFG_SCALE),
        condition_weight=settings[task_options.CONDITION_WEIGHT],
    )


def _check_source(init: InitImage, source: InitImage | MaskedImage) -> None:
    if not init.images:
        raise UserError("There is no picture to start from.", hint="Choose one.", field="init_images")
    checks: list[tuple[str, float, float, float]] = [
        ("denoising_strength", init.strength, 0, 1),
        ("image_cfg_scale", _first(init.image_cfg_scale, IMAGE_CFG_SCALE), 0, 10),
    ]
    if isinstance(source, MaskedImage):
        mask = source.mask
        checks += [("mask_blur_x", mask.blur_x, 0, 256), ("mask_blur_y", mask.blur_y, 0, 256)]
        checks += [("padding", source.padding or 0, 0, 4096)]
        checks += [(name, getattr(source.soft, name), *ends) for name, ends in SOFT_RANGES.items() if source.soft]
        if not mask.image:
            raise UserError("There is no mask.", hint="Paint over what is to be changed.", field="mask")
        if source.padding is not None and init.resize == "latent":
            raise UserError(
                'Only masked works on a part of the picture, which "latent" cannot resize.',
                hint="Choose another resize mode.",
                field="resize_mode",
            )
    _check_within(checks)


def _second_pass(
    plan: Plan, request: Generate, hires: Hires, settings: Settings, catalog: ModelCatalog, styles: StyleBook
) -> Plan:
    """The plan of hires fix's second pass over `request`: the first one's with what differs."""
    wish, shape = hires.second, request.shape
    cover, (width, height) = hires_sizes(shape.width, shape.height, hires)
    _check_within(
        [
            ("denoising_strength", hires.strength, 0, 1),
            ("hires_steps", hires.steps, 0, 150),
            ("hires_width", width, 64, 16384),
            ("hires_height", height, 64, 16384),
            ("hires_width before the cut", cover[0], 64, MAX_SIDE),
            ("hires_height before the cut", cover[1], 64, MAX_SIDE),
            ("hires_cfg_scale", _first(wish.cfg_scale, 7.0), 0, 100),
        ]
    )
    told = plan.request.prompt
    own = Prompt(positive=wish.positive, negative=wish.negative, styles=request.prompt.styles)
    prompt, negative = _prompts(own, styles, settings)
    prompt, negative = prompt if wish.positive else told.positive, negative if wish.negative else told.negative
    text, notes = _without_networks(prompt)
    sampler, schedule = _sampler(
        wish.sampler or plan.sampling.sampler,
        wish.schedule or (request.sampling.schedule if wish.sampler else plan.sampling.schedule),
    )
    chosen = dataclasses.replace(request.model, checkpoint=wish.checkpoint or request.model.checkpoint)
    again = dataclasses.replace(
        plan.request,
        shape=dataclasses.replace(plan.request.shape, width=width, height=height),
        prompt=Prompt(positive=prompt, negative=negative),
        model=chosen,
        after=dataclasses.replace(plan.request.after, hires=None),
    )
    steps = hires.steps or plan.sampling.steps
    way = steps_for(steps, hires.strength, exact=True)
    return dataclasses.replace(
        plan,
        request=again,
        canvas=canvas_size(width, height, LATENT_STEP),
        pictures=_pictures(again, plan.request.seed, prompt, negative, text),
        text=dataclasses.replace(plan.text, first_steps=plan.sampling.steps),
        guidance=dataclasses.replace(plan.guidance, cfg_scale=_first(wish.cfg_scale, plan.guidance.cfg_scale)),
        sampling=dataclasses.replace(
            plan.sampling,
            sampler=sampler.name,
            schedule=schedule,
            steps=steps,
            knobs=_knobs(request, sampler, settings),
            total=way.total,
            skipped=way.skipped,
        ),
        noise=_noise(plan.request.seed, sampler, settings),
        model=_model(again, settings, catalog),
        source=SourcePlan(
            strength=hires.strength,
            noise_multiplier=1.0,
            extra_noise=settings[task_options.EXTRA_NOISE],
            image_cfg_scale=IMAGE_CFG_SCALE,
            condition_weight=settings[task_options.CONDITION_WEIGHT],
        ),
        notes=tuple(notes) if wish.positive else (),
    )


def _without_refiner(model: ModelPlan, *, keep: bool) -> ModelPlan:
    return model if keep else dataclasses.replace(model, refiner=None, switch_at=1.0)


def _changed(settings: Settings) -> dict[str, JsonValue]:
    """The settings that shape pictures and are not at their default: a picture's request carries them along."""
    shaping = (one for one in setting_registry if one.scope == "user" and (one.infotext or one in UNTOLD))
    return {one.key: settings[one] for one in shaping if settings[one] != one.default}


def _check_ranges(request: Generate) -> None:
    shape, sampling = request.shape, request.sampling
    for name, value in (("width", shape.width), ("height", shape.height)):
        if not 64 <= value <= 16384:
            raise UserError(f"The {name} is {value}, but 64 to 16384 pixels are possible.", field=name)
    _check_within(
        [
            ("batch_size", shape.batch_size, 1, 64),
            ("batch_count", shape.batch_count, 1, 10_000),
            ("steps", sampling.steps, 1, 150),
            ("cfg_scale", sampling.cfg_scale, 0, 100),
            ("variation_strength", request.seed.variation_strength, 0, 1),
        ]
    )
    seed = request.seed
    for name, size in (("resize_from_width", seed.resize_from_width), ("resize_from_height", seed.resize_from_height)):
        if size > 16384:
            raise UserError(f"{name} is {size}, but at most 16384 is possible.", field=name)


def _check_within(checks: list[tuple[str, float, float, float]]) -> None:
    """(name, value, lowest, highest) each."""
    for name, value, low, high in checks:
        if not low <= value <= high:
            raise UserError(f"{name} is {value}, but {low} to {high} is possible.", field=name)


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


def _sampler(name: str | None, wish: str) -> tuple[Sampler, str]:
    name, schedule = split_combined_name(name or DEFAULT_SAMPLER)
    sampler = samplers.get(name)
    return sampler, resolve_schedule(sampler, schedule if wish.casefold() == "automatic" else wish)


def _knobs(request: Generate, sampler: Sampler, settings: Settings) -> Mapping[str, JsonValue]:
    """What this sampler can be told: the request's values where given, else the settings'."""
    churn = request.sampling.churn or Churn()
    wished = {"eta": request.sampling.eta, **dataclasses.asdict(churn)}
    return knob_values(sampler, settings, {name: one for name, one in wished.items() if one is not None})


def _first(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
