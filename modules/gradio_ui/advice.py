"""Combinations that cannot work, or work badly, told beside the control before the run.

One function from a request and what is known of its models to a list of advice; nothing is looked up or loaded here.
The words are in the text table (`advice.<key>`), filled in with `values`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modules.core.errors import NotFoundError
from modules.processing.models.facts import FEW_STEPS, FEW_STEPS_CFG, MANY_STEPS, ModelFacts
from modules.processing.models.families import families
from modules.processing.passes import choose_method
from modules.processing.requests import Generate, MaskedImage, Noise
from modules.processing.resolve_parts import DEFAULT_SAMPLER, LATENT_STEP
from modules.processing.samplers import Sampler, samplers
from modules.processing.schedules import split_combined_name
from modules.processing.upscalers import LATENT_MODES

SMALL, LARGE = 0.45, 2.25  # of the pixels that the model was trained at
ONE_SIZE = 1.3  # of the pixels of a model that knows one size only
HALF = 0.5  # of the model's shorter side
FEW_STEP_TOP_CFG, FEW_STEP_TOP_STEPS = 2.5, 15
CFGPP_TOP_CFG = 3.0  # guidance of arXiv:2406.08070 interpolates; what is usual elsewhere burns the picture
BURNT_CFG = 20.0
UNFINISHED_STEPS = 8
LATENT_STRENGTH = 0.5  # below, an enlarged latent stays blurred
FROM_NOISE_STRENGTH = 0.9  # below, what a latent was emptied to shows through
SOFT_BLUR = 8


@dataclass(frozen=True, kw_only=True)
class Advice:
    """`control`: the form's name of the control it belongs to. `fix`: values by control that would cure it."""

    control: str
    key: str
    values: Mapping[str, Any] = field(default_factory=dict)
    fix: Mapping[str, Any] = field(default_factory=dict)
    note: bool = False  # told for information, nothing is wrong


@dataclass(frozen=True, kw_only=True)
class Situation:
    """The request, its sampler, the chosen model, and the refiner when there is one.

    trouble: what is wrong with the networks and embeddings that the prompts name.
    """

    request: Generate
    sampler: Sampler
    model: ModelFacts
    refiner: ModelFacts | None
    trouble: Sequence[str] = ()

    @property
    def few_step(self) -> bool:
        """Painted in a few steps by a model that can, or by the word of the sampler that asks for one."""
        return self.model.few_step or self.sampler.few_step


def advise(
    request: Generate, model: ModelFacts, refiner: ModelFacts | None = None, *, trouble: Sequence[str] = ()
) -> list[Advice]:
    """What a person should know before pressing Generate, in the order of the form."""
    try:
        name, _ = split_combined_name(request.sampling.sampler or DEFAULT_SAMPLER)
    except NotFoundError:
        return []  # the request is refused with the nearest names; there is nothing to add
    case = Situation(request=request, sampler=samplers.get(name), model=model, refiner=refiner, trouble=trouble)
    rules: list[Callable[[Situation], Iterator[Advice]]] = [_checkpoint, _prompt, _size, _sampler, _steps, _cfg]
    return [one for rule in (*rules, _seed, _refiner, _hires, _method, _picture, _inpainting) for one in rule(case)]


def fitting_size(width: int, height: int, model: ModelFacts) -> dict[str, int]:
    """The same shape, at most twice as long as it is wide, with about as many pixels as the model was trained at."""
    across, down = model.native_size
    width, height = min(width, 2 * height), min(height, 2 * width)
    unit = 64 if min(across, down) >= 512 else 32 if min(across, down) >= 256 else 16
    scale = (across * down / (width * height)) ** 0.5
    return {name: max(unit, round(side * scale / unit) * unit) for name, side in (("width", width), ("height", height))}


def _checkpoint(case: Situation) -> Iterator[Advice]:
    values = {"model": case.model.title, "why": case.model.broken}
    if case.model.broken:
        yield Advice(control="checkpoint", key="model_broken", values=values)
    elif case.model.family == "sdxl_refiner":
        yield Advice(control="checkpoint", key="model_refiner", values=values)


def _prompt(case: Situation) -> Iterator[Advice]:
    prompt, cfg = case.request.prompt, case.request.sampling.cfg_scale
    for why in case.trouble:
        yield Advice(control="prompt", key="network", values={"why": why})
    if prompt.negative.strip() and cfg <= 1:
        yield Advice(control="negative", key="negative_unread")


def _size(case: Situation) -> Iterator[Advice]:
    width, height = case.request.shape.width, case.request.shape.height
    if width < LATENT_STEP or height < LATENT_STEP:
        return
    across, down = case.model.native_size
    part = width * height / (across * down)
    if case.model.one_size and part > ONE_SIZE:
        yield Advice(
            control="size",
            key="one_size",
            values={"width": across, "height": down},
            fix={"width": across, "height": down},
        )
        return
    short = min(width, height) / min(across, down)
    repeats = part > LARGE and choose_method(case.request, case.model.native_size) == "direct"
    if part < SMALL or short < HALF or repeats:
        key = "size_large" if repeats else "size_small"
        fix = fitting_size(width, height, case.model)
        yield Advice(control="size", key=key, values={"width": across, "height": down}, fix=fix)


def _sampler(case: Situation) -> Iterator[Advice]:
    if case.sampler.few_step and not case.model.few_step:
        fix = {"sampler": DEFAULT_SAMPLER, "steps": case.model.steps, "cfg_scale": case.model.cfg_scale}
        yield Advice(control="sampler", key="sampler_few_step", values={"sampler": case.sampler.name}, fix=fix)


def _steps(case: Situation) -> Iterator[Advice]:
    steps = case.request.sampling.steps
    if case.sampler.name == "DPM adaptive":
        yield Advice(control="steps", key="steps_ignored", values={"sampler": case.sampler.name})
    elif case.few_step and steps > FEW_STEP_TOP_STEPS:
        wish = case.model.steps if case.model.few_step else FEW_STEPS
        yield Advice(control="steps", key="steps_many", values={"steps": wish}, fix={"steps": wish})
    elif not case.few_step and steps < UNFINISHED_STEPS:
        wish = max(case.model.steps, MANY_STEPS)
        yield Advice(control="steps", key="steps_few", values={"steps": wish}, fix={"steps": wish})


def _cfg(case: Situation) -> Iterator[Advice]:
    cfg = case.request.sampling.cfg_scale
    few = case.model.cfg_scale if case.model.few_step else FEW_STEPS_CFG
    if case.few_step and cfg > FEW_STEP_TOP_CFG:
        what = case.model.title if case.model.few_step else case.sampler.name
        yield Advice(control="cfg_scale", key="cfg_few_step", values={"name": what, "cfg": few}, fix={"cfg_scale": few})
    elif case.sampler.cfgpp and cfg > CFGPP_TOP_CFG:
        values = {"name": case.sampler.name, "cfg": FEW_STEPS_CFG}
        yield Advice(control="cfg_scale", key="cfg_pp", values=values, fix={"cfg_scale": FEW_STEPS_CFG})
    elif cfg > BURNT_CFG:
        wish = case.model.cfg_scale
        yield Advice(control="cfg_scale", key="cfg_burnt", values={"cfg": wish}, fix={"cfg_scale": wish})


def _seed(case: Situation) -> Iterator[Advice]:
    seed = case.request.seed
    if seed.variation >= 0 and seed.variation_strength == 0:
        yield Advice(control="variation", key="variation_unused", fix={"subseed_strength": 0.1})
    if (seed.resize_from_width > 0) != (seed.resize_from_height > 0):
        shape = case.request.shape
        both = {"seed_resize_from_w": seed.resize_from_width or shape.width}
        both["seed_resize_from_h"] = seed.resize_from_height or shape.height
        yield Advice(control="variation", key="resize_half", fix=both)


def _refiner(case: Situation) -> Iterator[Advice]:
    wish, found = case.request.model.refiner, case.refiner
    if wish is None or found is None:
        return
    values, fix = {"refiner": found.title, "model": case.model.title}, {"refiner": "None"}
    if found.broken:
        yield Advice(control="refiner", key="refiner_broken", values={**values, "why": found.broken}, fix=fix)
    elif found.title == case.model.title:
        yield Advice(control="refiner", key="refiner_same", values=values, fix=fix)
    elif not share_latents(case.model.family, found.family):
        yield Advice(control="refiner", key="refiner_family", values=values, fix=fix)
    elif wish.switch_at >= 1:
        yield Advice(control="refiner", key="refiner_never", values=values, fix={"refiner_switch_at": 0.8})


def _hires(case: Situation) -> Iterator[Advice]:
    hires = case.request.after.hires
    if hires is None:
        return
    if case.model.one_size:
        across, down = case.model.native_size
        yield Advice(control="hires", key="one_size", values={"width": across, "height": down})
    elif hires.upscaler in LATENT_MODES and hires.strength < LATENT_STRENGTH:
        yield Advice(control="hires", key="latent_strength", fix={"hr_strength": 0.6})
    if not hires.width and not hires.height and hires.scale <= 1:
        yield Advice(control="hires", key="hires_same", fix={"hr_scale": 2.0})


def _method(case: Situation) -> Iterator[Advice]:
    """What "auto" will do, while it is chosen and no second pass is asked for."""
    if case.request.shape.method == "auto" and case.request.after.hires is None:
        yield Advice(control="method", key=f"method_{choose_method(case.request, case.model.native_size)}", note=True)


def _picture(case: Situation) -> Iterator[Advice]:
    source = case.request.source
    if isinstance(source, Noise):
        return
    init = source.init if isinstance(source, MaskedImage) else source
    if not init.images:
        yield Advice(control="image", key="no_picture")
    elif isinstance(source, MaskedImage) and not source.mask.image:
        yield Advice(control="mask", key="no_mask")
    if init.strength == 0:
        yield Advice(control="strength", key="strength_zero", fix={"strength": 0.75})


def _inpainting(case: Situation) -> Iterator[Advice]:
    source = case.request.source
    if not isinstance(source, MaskedImage):
        return
    if source.fill.startswith("latent") and 0 < source.init.strength < FROM_NOISE_STRENGTH:
        yield Advice(control="strength", key="fill_strength", values={"fill": source.fill}, fix={"strength": 1.0})
    if source.soft is not None and max(source.mask.blur_x, source.mask.blur_y) < SOFT_BLUR:
        yield Advice(control="soft", key="soft_blur", fix={"mask_blur": 16})


def share_latents(first: str, second: str) -> bool:
    """Whether two families paint in the same latent space; one that is not known is given the benefit of doubt."""
    if first not in families or second not in families:
        return True
    return families.get(first).scaling_factor == families.get(second).scaling_factor
