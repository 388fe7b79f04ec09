"""What a plot's axes can be: each changes one thing of a request, under A1111's name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any, Literal

from modules.core.errors import UserError
from modules.core.registry import Registry
from modules.processing.requests import Generate, Noise
from modules.processing.samplers import samplers
from modules.processing.samplers.options import NOISE_SOURCE
from modules.processing.schedules import schedules
from modules.processing.scripts.fields import change, change_init, change_refiner, override
from modules.processing.scripts.script import BOTH, Tab
from modules.processing.scripts.xyz_values import MOST, real_values, split_values, whole_values
from modules.processing.upscalers import LATENT_MODES

if TYPE_CHECKING:
    from modules.processing.engine import Engine

Value = Any  # text, a number, or a tuple of texts, as the axis' kind says
Change = Callable[[Generate, Value, Sequence[Value]], Generate]
Choices = Callable[["Engine"], Sequence[str]]
NOTHING = "Nothing"


@dataclass(frozen=True, kw_only=True)
class Axis:
    """`change` gives a request one of the values, told all of them. The higher the cost, the fewer changes are made.

    `bare`: the legend says the value alone. `choices`: what may be picked from a list.
    """

    label: str
    kind: Literal["text", "whole", "real", "order"]
    change: Change
    tabs: tuple[Tab, ...] = BOTH
    cost: float = 0.0
    choices: Choices | None = None
    bare: bool = False

    def read(self, text: str, picked: Sequence[str] = ()) -> list[Value]:
        """The values typed, or those picked from a list; UserError says which is none of this axis."""
        if self.label == NOTHING:
            return [""]
        if self.kind == "whole":
            found: list[Value] = list(whole_values(text, self.label))
        elif self.kind == "real":
            found = list(real_values(text, self.label))
        else:
            found = list(picked) or split_values(text)
        if not found:
            raise UserError(f"{self.label} has no values.", hint="Give some, with commas between.", field="script")
        if self.kind != "order":
            return found
        if math.factorial(len(found)) > MOST:
            raise UserError(f"{len(found)} values have too many orders to draw.", hint="Use up to 7.", field="script")
        return list(permutations(found))

    def legend(self, value: Value) -> str:
        if self.label == NOTHING:
            return ""
        if isinstance(value, tuple):
            return ", ".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType]
        text = f"{round(value, 8):g}" if isinstance(value, float) else str(value)
        return text if self.bare else f"{self.label}: {text}"


axes: Registry[Axis] = Registry("axis")


def _add(label: str, kind: Literal["text", "whole", "real", "order"], change: Change, **more: Any) -> None:
    axes.add(label, Axis(label=label, kind=kind, change=change, **more))


def _field(name: str) -> Change:
    return lambda request, value, values: change(request, name, value)


def _setting(key: str) -> Change:
    return lambda request, value, values: override(request, key, value)


def _flag_setting(key: str) -> Change:
    def set_flag(request: Generate, value: str, values: Sequence[Value]) -> Generate:
        if value.casefold() not in ("true", "false"):
            raise UserError(f"{value!r} is neither True nor False.", hint="Use True, False.", field="script")
        return override(request, key, value.casefold() == "true")

    return set_flag


def _hires(name: str) -> Change:
    def set_hires(request: Generate, value: Value, values: Sequence[Value]) -> Generate:
        if request.after.hires is None:
            raise UserError("The axis needs Hires. fix, which is off.", hint="Turn it on.", field="script")
        return change(request, f"after.hires.{name}", value)

    return set_hires


def _replace(request: Generate, value: str, values: Sequence[str]) -> Generate:
    """Put a value where the first one stands, in the prompts of both passes."""
    prompt, searched = request.prompt, values[0]
    if searched not in prompt.positive and searched not in prompt.negative:
        raise UserError(
            f"Prompt S/R did not find {searched!r} in the prompt or the negative prompt.",
            hint="The first value is the one that is searched for.",
            field="script",
        )
    names = ["prompt.positive", "prompt.negative"]
    texts = [prompt.positive, prompt.negative]
    if request.after.hires is not None:
        second = request.after.hires.second
        names += ["after.hires.second.positive", "after.hires.second.negative"]
        texts += [second.positive, second.negative]
    for name, text in zip(names, texts):
        request = change(request, name, text.replace(searched, value))
    return request


def _reorder(request: Generate, value: tuple[str, ...], values: Sequence[Value]) -> Generate:
    """Put the words into the places that they have in the prompt, in another order."""
    text = request.prompt.positive
    told, at = "", 0
    for place, word in zip(sorted(value, key=text.find), value):
        begin = text.find(place, at)
        if begin < 0:
            raise UserError(
                f"Prompt order did not find {place!r} in the prompt, or only inside another value.",
                hint="Give words of the prompt that do not overlap.",
                field="script",
            )
        told, at = told + text[at:begin] + word, begin + len(place)
    return change(request, "prompt.positive", told + text[at:])


def _denoising(request: Generate, value: float, values: Sequence[Value]) -> Generate:
    if isinstance(request.source, Noise):
        return _hires("strength")(request, value, values)
    return change_init(request, strength=value)


def _styles(request: Generate, value: str, values: Sequence[Value]) -> Generate:
    more = tuple(one.strip() for one in value.split(",") if one.strip())
    return change(request, "prompt.styles", (*request.prompt.styles, *more))


def _size(request: Generate, value: str, values: Sequence[Value]) -> Generate:
    found = re.fullmatch(r"\s*(\d+)\s*[xX×]\s*(\d+)\s*", value)
    if found is None:
        raise UserError(f"{value!r} is no size.", hint="Give width x height, such as 512x768.", field="script")
    return change(change(request, "shape.width", int(found[1])), "shape.height", int(found[2]))


def _checkpoints(engine: Engine) -> list[str]:
    return [one.title for one in engine.catalog.checkpoints() if not one.broken]


def _vaes(engine: Engine) -> list[str]:
    return ["Automatic", "None", *(one.name for one in engine.catalog.vaes() if not one.broken)]


def _sampler_names(engine: Engine) -> list[str]:
    return samplers.names()


def _true_or_false(engine: Engine) -> list[str]:
    return ["True", "False"]


TXT2IMG, IMG2IMG = ("txt2img",), ("img2img",)
_add(NOTHING, "text", lambda request, value, values: request)
_add("Seed", "whole", _field("seed.seed"))
_add("Var. seed", "whole", _field("seed.variation"))
_add("Var. strength", "real", _field("seed.variation_strength"))
_add("Steps", "whole", _field("sampling.steps"))
_add("Hires steps", "whole", _hires("steps"), tabs=TXT2IMG)
_add("CFG Scale", "real", _field("sampling.cfg_scale"))
_add(
    "Image CFG Scale",
    "real",
    lambda request, value, values: change_init(request, image_cfg_scale=value),
    tabs=IMG2IMG,
)
_add("Prompt S/R", "text", _replace, bare=True)
_add("Prompt order", "order", _reorder)
_add("Sampler", "text", _field("sampling.sampler"), choices=_sampler_names, bare=True)
_add("Hires sampler", "text", _hires("second.sampler"), choices=_sampler_names, tabs=TXT2IMG, bare=True)
_add("Checkpoint name", "text", _field("model.checkpoint"), choices=_checkpoints, cost=1.0, bare=True)
_add("Negative Guidance minimum sigma", "real", _field("sampling.negative_guidance_minimum_sigma"))
_add("Sigma Churn", "real", _field("sampling.churn.s_churn"))
_add("Sigma min", "real", _field("sampling.churn.s_tmin"))
_add("Sigma max", "real", _field("sampling.churn.s_tmax"))
_add("Sigma noise", "real", _field("sampling.churn.s_noise"))
_add("Schedule type", "text", _field("sampling.schedule"), choices=lambda engine: schedules.names())
_add("Schedule min sigma", "real", _setting("sigma_min"))
_add("Schedule max sigma", "real", _setting("sigma_max"))
_add("Schedule rho", "real", _setting("rho"))
_add("Beta schedule alpha", "real", _setting("beta_dist_alpha"))
_add("Beta schedule beta", "real", _setting("beta_dist_beta"))
_add("Eta", "real", _field("sampling.eta"))
_add("Clip skip", "whole", _field("model.clip_skip"))
_add("Denoising", "real", _denoising)
_add("Initial noise multiplier", "real", _setting("initial_noise_multiplier"))
_add("Extra noise", "real", _setting("img2img_extra_noise"))
_add(
    "Hires upscaler",
    "text",
    _hires("upscaler"),
    choices=lambda engine: [*LATENT_MODES, *engine.upscalers.names()],
    tabs=TXT2IMG,
)
_add("Cond. Image Mask Weight", "real", _setting("inpainting_mask_weight"), tabs=IMG2IMG)
_add("VAE", "text", _field("model.vae"), choices=_vaes, cost=0.7)
_add("Styles", "text", _styles, choices=lambda engine: engine.styles.names())
_add("UniPC Order", "whole", _setting("uni_pc_order"), cost=0.5)
_add(
    "Always discard next-to-last sigma",
    "text",
    _flag_setting("always_discard_next_to_last_sigma"),
    choices=_true_or_false,
)
_add("SGM noise multiplier", "text", _flag_setting("sgm_noise_multiplier"), choices=_true_or_false)
_add(
    "Refiner checkpoint",
    "text",
    lambda request, value, values: change_refiner(request, checkpoint=value),
    choices=lambda engine: ["None", *_checkpoints(engine)],
    cost=1.0,
)
_add("Refiner switch at", "real", lambda request, value, values: change_refiner(request, switch_at=value))
_add("RNG source", "text", _setting("randn_source"), choices=lambda engine: NOISE_SOURCE.options())
_add("Size", "text", _size)

AFTER_UNIPC = ("Face restore", "Token merging ratio", "Token merging ratio high-res")
BEFORE_SIZE = ("FP8 mode",)  # with the above: A1111's axes that are not here and keep their numbers


def axis_names(tab: Tab) -> list[str]:
    return [one.label for one in axes if tab in one.tabs]


def numbered_axes(tab: Tab) -> list[str]:
    """The names behind A1111's numbers."""
    names = axis_names(tab)
    after, before = names.index("UniPC Order") + 1, names.index("Size")
    return [*names[:after], *AFTER_UNIPC, *names[after:before], *BEFORE_SIZE, *names[before:]]
