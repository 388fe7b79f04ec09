"""A batch's prompts, expanded by step and encoded: what the network is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from modules.processing import options
from modules.processing.hooks import ENCODED, EncodedText
from modules.prompting.schedule import prompt_schedule, split_and

from .condition import edits
from .conditioning import Conditioning, encode_text
from .guidance import PictureConditions, Timeline, Told
from .network import Network, added_conditions
from .windows import WindowedNetwork, region_shares

if TYPE_CHECKING:
    from modules.processing.models.loader import LoadedModel
    from modules.processing.plan import PicturePlan, Plan
    from modules.processing.runner import RunContext
    from modules.processing.schedules.table import SigmaTable


def tell(
    plan: Plan,
    batch: tuple[PicturePlan, ...],
    model: LoadedModel,
    table: SigmaTable,
    calls: int,
    context: RunContext,
    seen: torch.Tensor | None,
) -> Told:
    """Encode all texts of a batch for one model. `calls`: network calls of all steps asked for, on which the schedules
    are laid; `seen`: extra channels of the network, [B or 1, c, h, w] or None.
    """
    first = plan.text.first_steps * calls // plan.sampling.steps

    def encode(text: str, negative: bool) -> Conditioning:
        key = (model.key, model.networks.text_key, text, negative, plan.text)
        made = context.cache.get(key, lambda: encode_text(model, text, plan.text, negative=negative))
        payload = EncodedText(text=text, negative=negative, conditioning=made)
        return context.hooks.run(ENCODED, payload).conditioning

    def timeline(text: str, negative: bool) -> Timeline:
        told = (first, calls) if first else (calls, None)
        schedule = prompt_schedule(text, *told, old_timelines=plan.text.old_timelines)
        return [(last, encode(part, negative)) for last, part in schedule]

    width, height = plan.canvas
    regions = plan.windows.regions if plan.windows else ()
    shares = region_shares(regions, (height // model.vae_factor, width // model.vae_factor))
    told_apart = tuple((share, timeline(one.prompt, False)) for share, one in zip(shares, regions))
    pictures = tuple(
        PictureConditions(
            parts=tuple((weight, timeline(part, False)) for part, weight in split_and(picture.text)),
            negative=timeline(picture.negative, True),
            regions=told_apart,
        )
        for picture in batch
    )
    if plan.text.pad:
        empty = encode("", False).cross[:, :77]
        pictures = tuple(_padded(picture, pictures, empty) for picture in pictures)
    settings = context.settings
    size, crop = (height, width), (settings[options.SDXL_CROP_TOP], settings[options.SDXL_CROP_LEFT])
    scores = (settings[options.REFINER_SCORE], settings[options.REFINER_NEGATIVE_SCORE])
    return Told(
        network=WindowedNetwork(model, table, plan.windows) if plan.windows else Network(model, table),
        pictures=pictures,
        seen=seen,
        image_cfg=plan.source.image_cfg_scale if plan.source and seen is not None and edits(model) else None,
        added=lambda rows, negative: added_conditions(model, rows, size, crop, [scores[one] for one in negative]),
    )


def _padded(
    picture: PictureConditions, everyone: tuple[PictureConditions, ...], empty: torch.Tensor
) -> PictureConditions:
    timelines = [line for one in everyone for line in (*(line for _, line in (*one.parts, *one.regions)), one.negative)]
    length = max(part.cross.shape[1] for line in timelines for _, part in line)

    def pad(line: Timeline) -> Timeline:
        return [(last, part.padded(length, empty)) for last, part in line]

    return PictureConditions(
        parts=tuple((weight, pad(line)) for weight, line in picture.parts),
        negative=pad(picture.negative),
        regions=tuple((share, pad(line)) for share, line in picture.regions),
    )
