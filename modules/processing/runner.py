"""run(plan) -> Result: the stages in order, and nothing else."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from PIL import Image

from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.imaging.inputs import PictureStore
from modules.processing import options
from modules.processing.hooks import FINISHED, LATENTS, START, FinalLatents, FinishedImage, Hooks, StartLatents
from modules.processing.models.catalog import ModelFile
from modules.processing.models.loader import LoadedModel
from modules.processing.papers import infotext_fields
from modules.processing.plan import HiresPlan, NetworkPlan, PicturePlan, Plan
from modules.processing.previews import linear as linear_preview
from modules.processing.previews import previews
from modules.processing.progress import Control, Interrupted, Picture, Preview, Progress, Report, no_check
from modules.processing.requests import InitImage, MaskedImage, Noise
from modules.processing.samplers import samplers
from modules.processing.schedules import SigmaOptions, build_sigmas
from modules.processing.schedules.table import SigmaTable
from modules.processing.stages.conditioning import ConditioningCache
from modules.processing.stages.decode import decode, to_images
from modules.processing.stages.finish import Finisher
from modules.processing.stages.guidance import GuidedDenoiser, Told
from modules.processing.stages.init_images import save_init_images
from modules.processing.stages.odd_sizes import uncover
from modules.processing.stages.start import first_latents, make_noise
from modules.processing.stages.tell import tell
from modules.processing.stages.tiling import circular_padding
from modules.processing.tasks import Start, hires, img2img, inpaint, txt2img
from modules.processing.tasks.options import SAVE_FIRST_PASS
from modules.processing.upscalers import Upscalers

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """What a run is given by the engine. load(checkpoint, vae, mode) brings a model into memory, apply(model,
    networks) has exactly these networks in it.
    """

    load: Callable[[ModelFile, ModelFile | None, str], LoadedModel]
    apply: Callable[[LoadedModel, tuple[NetworkPlan, ...]], object]
    cache: ConditioningCache
    inputs: PictureStore
    upscalers: Upscalers
    hooks: Hooks
    settings: Settings  # with the request's overrides
    paths: Paths
    control: Control
    report: Report


@dataclass(kw_only=True)
class _Meter:
    """Turns steps into Progress events with a time estimate from the steps done so far. A batch has `passes` parts.

    facts: what only the run of the batch could tell, for the papers.
    """

    report: Report
    plan: Plan
    batch: int = 0
    part: int = 0
    steps: int = 0
    facts: dict[str, object] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    @property
    def passes(self) -> int:
        return 1 if self.plan.hires is None else 2

    def begin(self, batch: int, part: int, plan: Plan) -> None:
        """The sampler sets out on one pass over one batch."""
        self.batch, self.part, self.steps = batch, part, plan.sampling.run

    def at(self, stage: str, step: int = 0) -> None:
        parts, part = len(self.plan.batches) * self.passes, self.batch * self.passes + self.part
        done = (part + min(step / max(self.steps, 1), 1.0) * 0.97) / parts
        if stage in ("decode", "save"):
            done = (part + 0.98) / parts
        passed = time.monotonic() - self.started
        eta = passed / done - passed if stage != "load" and step + part > 0 and done > 0 else None
        self.report(
            Progress(
                fraction=done,
                stage=stage,
                step=step,
                steps=self.steps,
                image=self.batch * self.plan.request.shape.batch_size,
                images=len(self.plan.pictures),
                batch=part,
                batches=parts,
                eta_s=eta,
            )
        )


@dataclass(frozen=True, kw_only=True)
class RunResult:
    pictures: list[Picture]
    interrupted: bool


class _Skipped(Exception):
    """The current batch was given up."""


def run(plan: Plan, context: RunContext) -> RunResult:
    """Make all batches of a plan. An interrupt ends the run with what there is; a skip gives up one batch."""
    meter = _Meter(report=context.report, plan=plan, steps=plan.sampling.run)
    meter.at("load")
    finisher = Finisher(plan=plan, settings=context.settings, paths=context.paths, report=context.report)
    sources = save_init_images(plan.request, context.inputs, context.paths, context.settings)
    interrupted = False
    for index, batch in enumerate(plan.batches):
        if context.control.stopping:
            interrupted = True
            break
        try:
            meter.facts = {}
            images = _batch(plan, index, context, meter, finisher)
        except _Skipped:
            continue
        except Interrupted:
            images = None
        complete = not context.control.interrupted
        interrupted = interrupted or not complete
        if images is None:
            break
        meter.at("save")
        for offset, image in enumerate(images):
            place = index * plan.request.shape.batch_size + offset
            source = sources[offset % len(sources)] if sources else None
            fields = infotext_fields(plan, batch[offset], context.settings, source, meter.facts)
            finished = FinishedImage(image=image, fields=fields, index=place, plan=plan)
            finisher.add(context.hooks.run(FINISHED, finished), batch=index, offset=offset, complete=complete)
        if not complete:
            break
    return RunResult(pictures=finisher.done(), interrupted=interrupted)


def _batch(plan: Plan, index: int, context: RunContext, meter: _Meter, finisher: Finisher) -> list[Image.Image] | None:
    """The pictures of one batch, after both passes where there are two; None when there are none yet."""
    batch, model = plan.batches[index], load_model(plan, context)  # the refiner may have taken its place
    meter.begin(index, 0, plan)
    if plan.hires is not None and plan.hires.first:
        pictures = [hires.given_picture(plan.hires, context)] * len(batch)
        return _second_pass(plan.hires, index, None, pictures, model, context, meter) or pictures
    start = _begin(plan, batch, model, context)
    latents = _latents(plan, batch, start, model, context, meter)
    if latents is None:
        return None
    if plan.hires is None or context.control.interrupted:
        return _finished(plan, latents, start, model, context, meter)
    pictures = None
    if context.settings[SAVE_FIRST_PASS] or not hires.enlarges_latents(plan.hires):
        pictures = _finished(plan, latents, start, model, context, meter)
        if context.settings[SAVE_FIRST_PASS]:
            finisher.add_first_pass(pictures, index)
    made = _second_pass(plan.hires, index, latents, pictures, model, context, meter)
    if made is None and pictures is None:
        return _finished(plan, latents, start, load_model(plan, context), context, meter)
    return made or pictures


def _second_pass(
    wish: HiresPlan,
    index: int,
    latents: torch.Tensor | None,
    pictures: list[Image.Image] | None,
    model: LoadedModel,
    context: RunContext,
    meter: _Meter,
) -> list[Image.Image] | None:
    """The pictures of the second pass; None when it was interrupted before there was anything to see."""
    plan = wish.second
    meter.begin(index, 1, plan)
    try:
        if hires.enlarges_latents(wish) and latents is None:
            assert pictures is not None
            latents = hires.latents_of(pictures[0], len(pictures), model, context.control.check)
        model = load_model(plan, context)
        start = hires.begin(wish, latents, pictures, model, context)
        found = _latents(plan, plan.batches[index], start, model, context, meter)
    except Interrupted:
        return None
    return None if found is None else _finished(plan, found, start, model, context, meter)


def _begin(plan: Plan, batch: tuple[PicturePlan, ...], model: LoadedModel, context: RunContext) -> Start:
    match plan.request.source:
        case Noise():
            return txt2img.begin(plan, model)
        case InitImage() as init:
            return img2img.begin(plan, init, len(batch), model, context)
        case MaskedImage() as masked:
            return inpaint.begin(plan, masked, batch, model, context)


def _finished(
    plan: Plan, latents: torch.Tensor, start: Start, model: LoadedModel, context: RunContext, meter: _Meter
) -> list[Image.Image]:
    """Latents to pictures of the asked size, with what their task does to them."""
    check = no_check if context.control.interrupted else partial(_check, context.control)  # what is there is shown
    meter.at("decode")
    with circular_padding(model.vae, axes=plan.model.tiling):
        pixels, tile = decode(model, latents, check, nan_check=context.settings[options.NAN_CHECK])
    if tile:
        meter.facts["VAE tiling"] = tile
    linear_preview.learn(model, latents.cpu(), pixels.cpu())
    size = plan.request.shape.width, plan.request.shape.height
    images = [uncover(image, size, plan.frame.odd_size) for image in to_images(pixels)]
    return images if start.finish is None else start.finish(images, latents)


def load_model(plan: Plan, context: RunContext) -> LoadedModel:
    """The model of a pass, with the pass's networks."""
    model = context.load(plan.model.checkpoint, plan.model.vae, plan.model.mode)
    model.vae_tiles = options.VaeTiles.from_settings(context.settings)
    context.apply(model, plan.networks)
    return model


def _latents(
    plan: Plan,
    batch: tuple[PicturePlan, ...],
    start: Start,
    model: LoadedModel,
    context: RunContext,
    meter: _Meter,
) -> torch.Tensor | None:
    """The batch's latents; one picture after the other where the sampler looks at the picture to choose its steps."""
    if plan.sampling.run == 0:
        return start.latents
    if not samplers.get(plan.sampling.sampler).adaptive:
        return _denoise(plan, batch, start, model, context, meter)
    found: list[torch.Tensor] = []
    for place, picture in enumerate(batch):
        if context.control.interrupted:
            break
        latents = _denoise(plan, (picture,), start.only(place), model, context, meter)
        if latents is not None:
            found.append(latents)
    return torch.cat(found) if found else None


def _denoise(
    plan: Plan,
    batch: tuple[PicturePlan, ...],
    start: Start,
    model: LoadedModel,
    context: RunContext,
    meter: _Meter,
) -> torch.Tensor | None:
    """The finished latents [B, C, h, w], or those at the moment of an interrupt; None when there are none yet."""
    sampler, sampling = samplers.get(plan.sampling.sampler), plan.sampling
    table = SigmaTable(model.alphas_cumprod, zero_snr=sampling.zero_snr)
    sigmas = build_sigmas(sampler, sampling.schedule, sampling.total, table, _family_options(plan, model))
    sigmas = sigmas[sampling.skipped :].to(model.device)
    each = 2 if sampler.second_order else 1  # calls of the network a step
    meter.at("encode")
    told = tell(plan, batch, model, table, sampling.steps * each, context, start.seen)
    noise = make_noise(plan, batch, model)
    begun = StartLatents(latents=first_latents(plan, start, noise.initial(), sigmas), sigmas=sigmas, plan=plan)
    begun = context.hooks.run(START, begun)
    watcher = _Watcher(plan, model, context, meter)
    calls = sampling.run * each
    denoiser = GuidedDenoiser(
        told,
        plan.guidance,
        steps=calls,
        hooks=context.hooks,
        refine=_refiner(plan, batch, context, table, calls, each) if plan.model.refiner else None,
        check=context.settings[options.NAN_CHECK],
        cfgpp=sampler.cfgpp,
        blend=start.blend,
    )
    meter.at("denoise")
    try:
        with circular_padding(model.unet, axes=plan.model.tiling), torch.no_grad():
            latents = sampler.function(
                denoiser, begun.latents, begun.sigmas, noise=noise, on_step=watcher, **sampling.knobs
            )
    except Interrupted:
        return watcher.denoised
    if start.blend is not None:
        latents = start.blend(latents, torch.zeros(len(latents)), calls)
    return context.hooks.run(LATENTS, FinalLatents(latents=latents, plan=plan)).latents


def _family_options(plan: Plan, model: LoadedModel) -> SigmaOptions:
    return dataclasses.replace(plan.sampling.sigmas, is_sdxl=model.family.name.startswith("sdxl"))


def _refiner(
    plan: Plan, batch: tuple[PicturePlan, ...], context: RunContext, table: SigmaTable, calls: int, each: int
) -> Callable[[float, int], Told | None]:
    """The refiner's network and conditions from its moment on, None before and after that moment.

    `calls` are made in all, `each` a step.
    """
    taken = False

    def refine(sigma: float, step: int) -> Told | None:
        nonlocal taken
        by_noise = (len(table.sigmas) - 1 - float(table.sigma_to_t(torch.tensor([sigma]))[0])) / len(table.sigmas)
        way = step / max(calls, 1) if plan.model.by_steps else by_noise
        if taken or way < plan.model.switch_at:
            return None
        taken = True
        assert plan.model.refiner is not None
        model = context.load(plan.model.refiner, None, plan.model.mode)
        laid_out = plan.sampling.steps * each
        return tell(plan, batch, model, SigmaTable(model.alphas_cumprod), laid_out, context, None)

    return refine


def _check(control: Control) -> None:
    control.check()
    if control.take_skip():
        raise _Skipped


class _Watcher:
    """Called after each step: tells the progress, shows a preview, and stops when asked."""

    def __init__(self, plan: Plan, model: LoadedModel, context: RunContext, meter: _Meter) -> None:
        self.denoised: torch.Tensor | None = None
        self._plan = plan
        self._model = model
        self._context = context
        self._meter = meter

    def __call__(self, step: int, x: torch.Tensor, sigma: torch.Tensor, denoised: torch.Tensor) -> None:
        self.denoised = denoised
        self._meter.at("denoise", step + 1)
        _check(self._context.control)
        settings = self._context.settings
        every = settings[options.PREVIEW_EVERY]
        if settings[options.PREVIEWS] and every > 0 and (step + 1) % every == 0:
            with contextlib.suppress(ValueError, RuntimeError):  # a preview is never worth a picture
                self._context.report(self._preview(step, denoised))

    def _preview(self, step: int, denoised: torch.Tensor) -> Preview:
        settings = self._context.settings
        method = previews.get(settings[options.PREVIEW_METHOD])
        image = method(self._model, denoised[0], self._context.paths)
        kind = settings[options.PREVIEW_FORMAT]
        buffer = io.BytesIO()
        image.save(buffer, kind.upper())
        return Preview(data=buffer.getvalue(), mime=f"image/{kind}", step=step + 1)
