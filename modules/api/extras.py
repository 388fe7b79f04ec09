"""A1111's extras requests to ours, and a finished job to A1111's reply."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modules.api.convert import encode_file, result_of
from modules.api.limits import check_extras_limits
from modules.api.models import ExtrasOptions
from modules.api.pictures import decoded
from modules.api.services import Services
from modules.core.errors import UserError
from modules.imaging.infotext import build_infotext
from modules.processing.extras import Extras, ExtrasRequest
from modules.processing.extras.request import Faces, InputPicture, Pictures, Size, Target, Upscale, check_ranges

THEIRS = {
    "size.by": "upscaling_resize",
    "size.to": "upscaling_resize_w",
    "size.to.width": "upscaling_resize_w",
    "size.to.height": "upscaling_resize_h",
    "upscale.first": "upscaler_1",
    "upscale.second": "upscaler_2",
    "source.pictures": "imageList",
}  # our names of a request's parts: A1111's


@dataclass(frozen=True)
class Sent:
    """A picture in base64, and the field it came in."""

    text: str
    field: str
    name: str = ""


def read_extras(body: ExtrasOptions, pictures: Sequence[Sent], services: Services) -> ExtrasRequest:
    """The request, its pictures in the store; UserError names the field that cannot be granted."""
    target = Target(width=body.upscaling_resize_w, height=body.upscaling_resize_h, crop=body.upscaling_crop)
    request = ExtrasRequest(
        size=Size(by=body.upscaling_resize, to=target if body.resize_mode == 1 else None),
        upscale=Upscale(
            first=body.upscaler_1, second=body.upscaler_2, second_visibility=body.extras_upscaler_2_visibility
        ),
        faces=Faces(
            gfpgan=body.gfpgan_visibility,
            codeformer=body.codeformer_visibility,
            codeformer_weight=body.codeformer_weight,
        ),
        source=Pictures(pictures=tuple(_kept(one, services) for one in pictures)),
        order=("Upscale",) if body.upscale_first else (),
        save=False,
    )
    try:
        check_ranges(request)
        check_extras_limits(request, services.engine.inputs, services.settings)
        Extras(services.engine).check(request)
    except UserError as error:
        field = THEIRS.get(error.field, error.field)
        raise UserError(error.message.replace(error.field or "\0", field), hint=error.hint, field=field) from error
    return request


def extras_reply(job: Any, shown: bool) -> tuple[str, list[str]]:
    """What was done to the last picture, as HTML, and the results in base64; EaselError when the job failed."""
    result = result_of(job)
    done = result.get("info", {}).get("extras", [])
    told = html.escape(build_infotext("", "", done[-1])) if done else ""
    return f"<p>{told}</p>", [encode_file(Path(one["path"])) for one in result.get("pictures", []) if shown]


def _kept(sent: Sent, services: Services) -> InputPicture:
    image = decoded(sent.text, sent.field, services.settings)
    return InputPicture(picture=services.engine.inputs.put(image), name=sent.name)
