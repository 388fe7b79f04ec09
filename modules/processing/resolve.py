"""Generate + settings -> Plan: the only place where defaults are filled, seeds drawn and names looked up.

Without torch, so that a request is refused before it queues.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable

from modules.core.errors import UserError
from modules.core.settings import Settings, setting_registry
from modules.processing import options
from modules.processing.models.facts import model_facts
from modules.processing.networks.wishes import networks_for
from modules.processing.passes import Size, Steps, choose_method, steps_for, windows_for, with_first_pass
from modules.processing.plan import FramePlan, GuidancePlan, Plan, SamplingPlan, SourcePlan, TextPlan
from modules.processing.requests import (
    SOFT_RANGES,
    Generate,
    InitImage,
    JsonValue,
    MaskedImage,
    Noise,
    Prompt,
    Seed,
)
from modules.processing.resolve_hires import with_second_pass
from modules.processing.resolve_parts import (
    IMAGE_CFG_SCALE,
    LATENT_STEP,
    SEEDS,
    Library,
    check_within,
    given,
    knobs_for,
    model_for,
    noise_for,
    pictures_for,
    prompts_for,
    sampler_for,
)
from modules.processing.samplers import Sampler
from modules.processing.samplers import options as sampler_options
from modules.processing.schedules import SigmaOptions
from modules.processing.stages.odd_sizes import canvas_size, chosen_method
from modules.processing.tasks import options as task_options
from modules.prompting import settings as prompt_settings

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
    library: Library,
    draw: Callable[[int], int] = random.randrange,
) -> Plan:
    """Decide everything the request left open. UserError names the field that cannot be granted.

    draw(n) gives a random int in [0, n): injected by tests.
    """
    settings = settings.with_overrides(request.overrides)
    _check_ranges(request)
    model = model_for(request, settings, library.catalog)
    request = _with_method(request, model_facts(model.checkpoint).native_size)
    shape = request.shape
    prompt, negative = prompts_for(request.prompt, library.styles, settings)
    text, networks, notes = networks_for(prompt, model, library.networks, wanted=request.model.networks)
    seed = _draw_seeds(request.seed, draw)
    if not request.model.checkpoint and (missed := library.catalog.default_and_missed(settings)[1]):
        notes.append(f"{missed} {model.checkpoint.title} was used instead.")
    sampler, schedule = sampler_for(request.sampling.sampler, request.sampling.schedule)
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
        overrides={**changed_settings(settings), **request.overrides},
    )
    plan = Plan(
        request=decided,
        canvas=canvas_size(shape.width, shape.height, LATENT_STEP),
        pictures=pictures_for(request, seed, prompt, negative, text),
        text=text_plan,
        guidance=_guidance(request, settings),
        sampling=_sampling(request, sampler, schedule, source, settings),
        noise=noise_for(seed, sampler, settings),
        model=model,
        frame=_frame(settings),
        networks=networks,
        source=source,
        windows=shape.windows if shape.method == "windows" else None,
        notes=tuple(notes),
    )
    hires = request.after.hires
    return plan if hires is None else with_second_pass(plan, request, hires, settings, library)


def _with_method(request: Generate, native: Size) -> Generate:
    """The request with its method decided: "auto" is gone, hires has its first pass, windows have their sizes."""
    method = choose_method(request, native)
    if request.shape.windows.regions and method != "windows":
        raise UserError(
            f'The method is "{method}", but prompts of regions need windows.',
            hint='Use "windows", or take the regions away.',
            field="method",
        )
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
        skip_below=given(request.sampling.negative_guidance_minimum_sigma, settings[sampler_options.NGMS]),
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
        knobs=knobs_for(request, sampler, settings),
        sigmas=SigmaOptions.from_settings(settings),
        sgm_noise=settings[sampler_options.SGM_NOISE],
        zero_snr=settings[sampler_options.NOISE_SCHEDULE] == "Zero Terminal SNR",
        total=way.total,
        skipped=way.skipped,
    )


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
        image_cfg_scale=given(init.image_cfg_scale, IMAGE_CFG_SCALE),
        condition_weight=settings[task_options.CONDITION_WEIGHT],
    )


def _check_source(init: InitImage, source: InitImage | MaskedImage) -> None:
    if not init.images:
        raise UserError("There is no picture to start from.", hint="Choose one.", field="init_images")
    checks: list[tuple[str, float, float, float]] = [
        ("denoising_strength", init.strength, 0, 1),
        ("image_cfg_scale", given(init.image_cfg_scale, IMAGE_CFG_SCALE), 0, 10),
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
    check_within(checks)


def shaping_settings() -> dict[str, JsonValue]:
    """The settings that shape pictures, by key, and their defaults."""
    shaping = (one for one in setting_registry if one.scope == "user" and (one.infotext or one in UNTOLD))
    return {one.key: one.default for one in shaping}


def changed_settings(settings: Settings) -> dict[str, JsonValue]:
    """Those that are not at their default: a picture's request carries them along."""
    found = {key: settings[setting_registry.get(key)] for key in shaping_settings()}
    return {key: value for key, value in found.items() if value != setting_registry.get(key).default}


def _check_ranges(request: Generate) -> None:
    shape, sampling = request.shape, request.sampling
    for name, value in (("width", shape.width), ("height", shape.height)):
        if not 64 <= value <= 16384:
            raise UserError(f"The {name} is {value}, but 64 to 16384 pixels are possible.", field=name)
    check_within(
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
