"""Upscale: by one upscaler, or two blended, to the size that was asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from PIL import Image

from modules.core.errors import NotFoundError
from modules.processing.extras.operation import Models, Operation, Piece, Tools, operations
from modules.processing.extras.request import ExtrasRequest
from modules.processing.extras.size import check_size, limited, result_size


def upscale(piece: Piece, request: ExtrasRequest, tools: Tools) -> Sequence[Piece]:
    image, size, wish = piece.image, request.size, request.upscale
    target = result_size(image.width, image.height, size)
    check_size(*target)
    fields: dict[str, object] = dict(piece.fields)
    if size.to is not None:
        fields["Postprocess upscale to"] = f"{size.to.width}x{size.to.height}"
    else:
        fields["Postprocess upscale by"] = f"{size.by:g}"
        if limited(image.width, image.height, size):
            fields["Max side length"] = size.max_side
    first = tools.models.upscalers.find(wish.first)
    made = tools.upscale(image, first.name, target)
    fields["Postprocess upscaler"] = first.name
    if _blends(request):
        second = tools.models.upscalers.find(wish.second)
        other = tools.upscale(image, second.name, target)
        made = Image.blend(made, other, wish.second_visibility)
        fields["Postprocess upscaler 2"] = second.name
    if size.to is not None and size.to.crop and not _cut_later(request):
        made = crop_middle(made, size.to.width, size.to.height)
        fields["Postprocess crop to"] = f"{made.width}x{made.height}"
    return [dataclasses.replace(piece, image=made, fields=fields)]


def crop_middle(image: Image.Image, width: int, height: int) -> Image.Image:
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def check(request: ExtrasRequest, models: Models) -> None:
    for part, name in (("first", request.upscale.first), ("second", request.upscale.second)):
        try:
            models.upscalers.find(name)
        except NotFoundError as error:
            raise NotFoundError(error.message, hint=error.hint, field=f"upscale.{part}") from error


def _blends(request: ExtrasRequest) -> bool:
    return request.upscale.second.casefold() != "none" and request.upscale.second_visibility > 0


def _cut_later(request: ExtrasRequest) -> bool:
    """A cut at the middle would leave nothing to split or to choose from."""
    return request.dataset.split is not None or request.dataset.focal is not None


operations.add(
    "Upscale",
    Operation(
        order=1000, wanted=lambda request: request.upscale.first.casefold() != "none", apply=upscale, check=check
    ),
)
