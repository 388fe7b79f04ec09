"""img2img alternative test: find the noise that a picture would come from, and paint from that with other words."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from modules.core.errors import UserError
from modules.processing.hooks import START, StartLatents
from modules.processing.info import Result
from modules.processing.progress import Interrupted
from modules.processing.requests import Generate, InitImage
from modules.processing.scripts.call import Call
from modules.processing.scripts.fields import change, change_init
from modules.processing.scripts.script import Argument, Wish, register_script

if TYPE_CHECKING:
    from modules.processing.invert import Inversion

NEARLY_ALL = 0.999  # strength 1 starts from noise alone; this one too, up to what the inversion takes away again


def _flag(name: str, label: str, hint: str, *, default: bool = True) -> Argument:
    return Argument(name=name, label=label, kind="checkbox", default=default, hint=hint)


def _count(wish: Wish) -> int:
    if not isinstance(wish.request.source, InitImage):
        raise UserError("The script works on whole pictures, not on a mask.", hint="Use img2img.", field="script")
    wish.engine.resolve(_decoding(wish))
    return 1


def _decoding(wish: Wish) -> Generate:
    """The request whose way is walked backwards."""
    request = wish.request
    for field, value in (
        ("prompt.positive", wish.text("original_prompt")),
        ("prompt.negative", wish.text("original_negative_prompt")),
        ("prompt.styles", ()),
        ("sampling.sampler", "Euler"),
        ("sampling.schedule", "Automatic"),
        ("sampling.steps", wish.whole("decode_steps")),
        ("sampling.cfg_scale", wish.real("decode_cfg_scale")),
    ):
        request = change(request, field, value)
    return request


def _painting(wish: Wish) -> Generate:
    """The request that paints from the noise found."""
    request = wish.request
    if wish.flag("override_sampler"):
        request = change(request, "sampling.sampler", "Euler")
    if wish.flag("override_prompt"):
        request = change(request, "prompt.positive", wish.text("original_prompt"))
        request = change(request, "prompt.negative", wish.text("original_negative_prompt"))
    if wish.flag("override_steps"):
        request = change(request, "sampling.steps", wish.whole("decode_steps"))
    if wish.flag("override_strength"):
        request = change_init(request, strength=1.0)
    assert isinstance(request.source, InitImage)
    return change_init(request, strength=min(request.source.strength, NEARLY_ALL))


@register_script(
    "img2img alternative test",
    "Finds the noise that the picture would come from, and paints from it: small changes of words, small changes.",
    tabs=("img2img",),
    arguments=(
        Argument(name="info", label="", kind="note"),
        _flag("override_sampler", "Override `Sampling method` to Euler", "The way back is Euler's too."),
        _flag("override_prompt", "Override `prompt` to the same value as `original prompt`", "Both prompts."),
        Argument(
            name="original_prompt",
            label="Original prompt",
            kind="text",
            hint="What the picture shows now.",
        ),
        Argument(
            name="original_negative_prompt",
            label="Original negative prompt",
            kind="text",
            hint="What it keeps away from.",
        ),
        _flag(
            "override_steps",
            "Override `Sampling Steps` to the same value as `Decode steps`",
            "As many steps here as back.",
        ),
        Argument(
            name="decode_steps",
            label="Decode steps",
            kind="slider",
            default=50,
            minimum=1,
            maximum=150,
            step=1,
            hint="Steps of the way back; more find the noise better.",
        ),
        _flag("override_strength", "Override `Denoising strength` to 1", "The whole way is painted again."),
        Argument(
            name="decode_cfg_scale",
            label="Decode CFG scale",
            kind="slider",
            default=1.0,
            minimum=0.0,
            maximum=15.0,
            step=0.1,
            hint="CFG of the way back. Little above 1 is usual.",
        ),
        Argument(
            name="randomness",
            label="Randomness",
            kind="slider",
            default=0.0,
            minimum=0.0,
            maximum=1.0,
            step=0.01,
            hint="How much of the seed's own noise is mixed in.",
        ),
        _flag(
            "sigma_adjustment",
            "Sigma adjustment for finding noise for image",
            "Another way to take the steps back.",
            default=False,
        ),
    ),
    count=_count,
)
def img2img_alternative(call: Call) -> Result:
    wish, engine = call.wish, call.wish.engine
    adjust = wish.flag("sigma_adjustment")
    try:
        found = engine.invert(_decoding(wish), adjust=adjust, control=call.control)
    except Interrupted:
        return call.result([])
    fields = {
        "Decode prompt": wish.text("original_prompt"),
        "Decode negative prompt": wish.text("original_negative_prompt"),
        "Decode CFG scale": wish.real("decode_cfg_scale"),
        "Decode steps": wish.whole("decode_steps"),
        "Randomness": wish.real("randomness"),
        "Sigma Adjustment": adjust,
    }
    share = wish.real("randomness")
    stop = engine.hooks.on(START, lambda payload: _from_found(payload, found, share), owner="img2img alternative test")
    try:
        call.make(_painting(wish), fields=fields)
    finally:
        stop()
    return call.result()


def _from_found(payload: StartLatents, found: Inversion, share: float) -> StartLatents:
    """Noise found and drawn, mixed to deviation 1, over the picture's own latents."""
    count, sigma = len(payload.latents), payload.sigmas[0]
    noise, latents = found.noise[:count], found.latents[:count]
    drawn = (payload.latents - latents) / sigma
    mixed = ((1 - share) * noise + share * drawn) / (share**2 + (1 - share) ** 2) ** 0.5
    return dataclasses.replace(payload, latents=latents + (mixed - latents / found.top) * sigma)
