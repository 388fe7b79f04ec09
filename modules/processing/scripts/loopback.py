"""Loopback: each picture is made from the last one, at a strength that moves along a curve."""

from __future__ import annotations

import math

from modules.imaging.grids import image_grid
from modules.processing.info import Result
from modules.processing.progress import Picture
from modules.processing.requests import MaskedImage
from modules.processing.scripts.call import Call
from modules.processing.scripts.fields import change, change_init, init_of
from modules.processing.scripts.script import Argument, register_script

CURVES = ("Aggressive", "Linear", "Lazy")


def strength_at(loop: int, loops: int, first: float, last: float, curve: str) -> float:
    """The strength of a loop that counts from 0: from `first` to `last`, early, evenly or late."""
    if loops == 1:
        return first
    way = loop / (loops - 1)
    if curve == "Aggressive":
        way = math.sin(way * math.pi / 2)
    elif curve == "Lazy":
        way = 1 - math.cos(way * math.pi / 2)
    return min(max(first + (last - first) * way, 0.0), 1.0)


@register_script(
    "Loopback",
    "Makes a picture of the picture, again and again.",
    tabs=("img2img",),
    arguments=(
        Argument(
            name="loops",
            label="Loops",
            kind="slider",
            default=4,
            minimum=1,
            maximum=32,
            step=1,
            hint="How many times each picture is worked on.",
        ),
        Argument(
            name="final_strength",
            label="Final denoising strength",
            kind="slider",
            default=0.5,
            minimum=0.0,
            maximum=1.0,
            step=0.01,
            hint="The strength of the last loop; the first has the one above.",
        ),
        Argument(
            name="curve",
            label="Denoising strength curve",
            kind="choice",
            default="Linear",
            choices=CURVES,
            hint="Aggressive goes to the final strength early, Lazy late.",
        ),
        Argument(name="append_interrogation", label="Append interrogated prompt", kind="note", choices=("None",)),
    ),
    count=lambda wish: wish.whole("loops") * wish.request.shape.batch_count,
)
def loopback(call: Call) -> Result:
    wish, loops = call.wish, call.wish.whole("loops")
    last, curve = wish.real("final_strength"), wish.text("curve")
    base, batches = wish.request, wish.request.shape.batch_count
    for name, value in (("shape.batch_size", 1), ("shape.batch_count", 1), ("after.grid", False)):
        base = change(base, name, value)
    first = init_of(base).strength
    fields = {"Final denoising strength": last, "Denoising curve": curve}
    ends: list[Picture] = []
    told: list[Picture] = []
    seed = base.seed.seed
    for _ in range(batches):
        request, history = base, []
        for loop in range(loops):
            request = change_init(request, strength=strength_at(loop, loops, first, last, curve))
            title = f"Loop {loop + 1} of {loops}"
            made = call.make(change(request, "seed.seed", seed), title, fields=fields).pictures
            if not made or call.stopping:
                history += made
                break
            seed += 1
            history += made
            request = change_init(request, images=(wish.engine.inputs.put(made[0].open()),))
            if isinstance(request.source, MaskedImage):
                request = change(request, "source.fill", "original")
        told += history
        ends += history if batches == 1 else history[-1:]
    if len(ends) > 1:
        grid = image_grid([one.open() for one in ends], rows=1)
        told.insert(0, call.keep_sheet(grid, "grid"))
    return call.result(told)
