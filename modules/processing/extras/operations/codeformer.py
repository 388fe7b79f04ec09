"""CodeFormer: faces drawn anew from a codebook of parts, blended in by the visibility."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from modules.core.errors import UserError
from modules.processing.extras.operation import Models, Operation, Piece, Tools, operations
from modules.processing.extras.request import ExtrasRequest


def codeformer(piece: Piece, request: ExtrasRequest, tools: Tools) -> Sequence[Piece]:
    visibility = request.faces.codeformer
    made = tools.models.faces.find("CodeFormer").restore(piece.image, visibility, request.faces.codeformer_weight)
    fields = {**piece.fields, "CodeFormer visibility": f"{visibility:g}"}
    fields["CodeFormer weight"] = f"{request.faces.codeformer_weight:g}"
    return [dataclasses.replace(piece, image=made, fields=fields)]


def check(request: ExtrasRequest, models: Models) -> None:
    try:
        models.faces.find("CodeFormer")
    except UserError as error:
        raise UserError(error.message, hint=error.hint, field="faces.codeformer") from error


operations.add(
    "CodeFormer",
    Operation(order=3000, wanted=lambda request: request.faces.codeformer > 0, apply=codeformer, check=check),
)
