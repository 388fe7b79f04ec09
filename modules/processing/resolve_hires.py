"""Hires fix's second pass: the first pass's plan with what differs."""

from __future__ import annotations

import dataclasses

from modules.core.settings import Settings
from modules.processing.networks.wishes import networks_for
from modules.processing.passes import hires_sizes, steps_for
from modules.processing.plan import HiresPlan, ModelPlan, Plan, SourcePlan
from modules.processing.requests import Generate, Hires, Prompt
from modules.processing.resolve_parts import (
    IMAGE_CFG_SCALE,
    LATENT_STEP,
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
from modules.processing.stages.odd_sizes import canvas_size
from modules.processing.tasks import options as task_options

MAX_SIDE = 32768  # pixels of a picture that a second pass is cut out of


def with_second_pass(plan: Plan, request: Generate, hires: Hires, settings: Settings, library: Library) -> Plan:
    """The first pass's plan with the second one's in it. The refiner takes the passes that the settings name."""
    second = _second_pass(plan, request, hires, settings, library)
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
        notes=tuple(dict.fromkeys((*plan.notes, *second.notes))),
    )


def _second_pass(plan: Plan, request: Generate, hires: Hires, settings: Settings, library: Library) -> Plan:
    """The plan of hires fix's second pass over `request`: the first one's with what differs."""
    wish, shape = hires.second, request.shape
    cover, (width, height) = hires_sizes(shape.width, shape.height, hires)
    check_within(
        [
            ("denoising_strength", hires.strength, 0, 1),
            ("hires_steps", hires.steps, 0, 150),
            ("hires_width", width, 64, 16384),
            ("hires_height", height, 64, 16384),
            ("hires_width before the cut", cover[0], 64, MAX_SIDE),
            ("hires_height before the cut", cover[1], 64, MAX_SIDE),
            ("hires_cfg_scale", given(wish.cfg_scale, 7.0), 0, 100),
        ]
    )
    told = plan.request.prompt
    own = Prompt(positive=wish.positive, negative=wish.negative, styles=request.prompt.styles)
    prompt, negative = prompts_for(own, library.styles, settings)
    prompt, negative = prompt if wish.positive else told.positive, negative if wish.negative else told.negative
    sampler, schedule = sampler_for(
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
    model = model_for(again, settings, library.catalog)
    text, networks, notes = networks_for(prompt, model, library.networks, wanted=again.model.networks)
    steps = hires.steps or plan.sampling.steps
    way = steps_for(steps, hires.strength, exact=True)
    return dataclasses.replace(
        plan,
        request=again,
        canvas=canvas_size(width, height, LATENT_STEP),
        pictures=pictures_for(again, plan.request.seed, prompt, negative, text),
        text=dataclasses.replace(plan.text, first_steps=plan.sampling.steps),
        guidance=dataclasses.replace(plan.guidance, cfg_scale=given(wish.cfg_scale, plan.guidance.cfg_scale)),
        sampling=dataclasses.replace(
            plan.sampling,
            sampler=sampler.name,
            schedule=schedule,
            steps=steps,
            knobs=knobs_for(request, sampler, settings),
            total=way.total,
            skipped=way.skipped,
        ),
        noise=noise_for(plan.request.seed, sampler, settings),
        model=model,
        networks=networks,
        source=SourcePlan(
            strength=hires.strength,
            noise_multiplier=1.0,
            extra_noise=settings[task_options.EXTRA_NOISE],
            image_cfg_scale=IMAGE_CFG_SCALE,
            condition_weight=settings[task_options.CONDITION_WEIGHT],
        ),
        notes=tuple(notes),
    )


def _without_refiner(model: ModelPlan, *, keep: bool) -> ModelPlan:
    return model if keep else dataclasses.replace(model, refiner=None, switch_at=1.0)
