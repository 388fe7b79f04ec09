"""The Extras form's values by name as a request; an emptied number takes its default."""

from __future__ import annotations

import json

from modules.core.errors import UserError
from modules.gradio_ui.generation_request import Values, real, whole
from modules.processing.extras.request import (
    AutoCrop,
    Captions,
    Dataset,
    ExtrasRequest,
    Faces,
    Flip,
    FocalCrop,
    Folder,
    InputPicture,
    Pictures,
    Size,
    Split,
    Target,
    Upscale,
)

MODES = ("single", "batch", "folder")
FLIPS: tuple[Flip, ...] = ("Horizontal", "Vertical", "Both")


def extras_request(values: Values) -> ExtrasRequest:
    """UserError when nothing is asked to be done."""
    target = Target(
        width=whole(values, "width", 512), height=whole(values, "height", 512), crop=bool(values.get("crop"))
    )
    request = ExtrasRequest(
        source=_source(values),
        size=Size(
            by=real(values, "by", 4.0),
            to=target if values.get("size_mode") == "to" else None,
            max_side=whole(values, "max_side", 0),
        ),
        upscale=Upscale(
            first=values.get("upscaler_1") or "None",
            second=values.get("upscaler_2") or "None",
            second_visibility=real(values, "upscaler_2_visibility", 0.0),
        ),
        faces=Faces(
            gfpgan=real(values, "gfpgan", 0.0),
            codeformer=real(values, "codeformer", 0.0),
            codeformer_weight=real(values, "codeformer_weight", 0.0),
        ),
        dataset=_dataset(values),
    )
    if request.upscale.first == "None" and request.faces == Faces() and request.dataset == Dataset():
        raise UserError(
            "Nothing is asked to be done.", hint="Choose an upscaler, or something below it.", field="upscaler_1"
        )
    return request


def _source(values: Values) -> Pictures | Folder:
    if values.get("mode") == "folder":
        return Folder(
            folder=values.get("input_dir") or "",
            output=values.get("output_dir") or "",
            show=bool(values.get("show_results")),
        )
    if values.get("mode") == "batch":
        try:
            listed = json.loads(values.get("batch") or "[]")
            return Pictures(pictures=tuple(InputPicture(picture=one["reference"], name=one["name"]) for one in listed))
        except (ValueError, TypeError, KeyError):
            return Pictures()
    image = values.get("image")
    return Pictures(pictures=(InputPicture(picture=image),) if image else ())


def _dataset(values: Values) -> Dataset:
    defaults = AutoCrop()
    auto = AutoCrop(
        min_side=whole(values, "auto_min_side", defaults.min_side),
        max_side=whole(values, "auto_max_side", defaults.max_side),
        min_area=whole(values, "auto_min_area", defaults.min_area),
        max_area=whole(values, "auto_max_area", defaults.max_area),
        objective=values.get("auto_objective") or defaults.objective,
        threshold=real(values, "auto_threshold", defaults.threshold),
    )
    split = Split(threshold=real(values, "split_threshold", 0.5), overlap=real(values, "split_overlap", 0.2))
    focal = FocalCrop(entropy=real(values, "focal_entropy", 0.15), edges=real(values, "focal_edges", 0.5))
    captions = Captions(by=values.get("caption_by") or "prompt", text=values.get("caption_text") or "")
    return Dataset(
        split=split if values.get("split") else None,
        focal=focal if values.get("focal") else None,
        auto=auto if values.get("auto") else None,
        flips=tuple(one for one in FLIPS if values.get(f"flip_{one.lower()}")),
        captions=captions if values.get("caption") else None,
    )


CONTROLS = {  # field: id of its control, without the tab's name
    "source.folder": "batch_input_dir",
    "source.output": "batch_output_dir",
    "size.by": "upscaling_resize",
    "size.to": "upscaling_resize_w",
    "size.to.width": "upscaling_resize_w",
    "size.to.height": "upscaling_resize_h",
    "size.max_side": "max_side_length",
    "upscale.first": "upscaler_1",
    "upscale.second": "upscaler_2",
    "faces.gfpgan": "gfpgan_visibility",
    "faces.codeformer": "codeformer_visibility",
    "dataset.captions.by": "caption_by",
    "dataset.captions.text": "caption_text",
}
