"""GFPGAN: faces drawn anew by the network of that name, blended in by the visibility."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from modules.core.errors import UserError
from modules.processing.extras.operation import Models, Operation, Piece, Tools, operations
from modules.processing.extras.request import ExtrasRequest


def gfpgan(piece: Piece, request: ExtrasRequest, tools: Tools) -> Sequence[Piece]:
    visibility = request.faces.gfpgan
    made = tools.models.faces.find("GFPGAN").restore(piece.image, visibility, 1.0)
    fields = {**piece.fields, "GFPGAN visibility": f"{visibility:g}"}
    return [dataclasses.replace(piece, image=made, fields=fields)]


def check(request: ExtrasRequest, models: Models) -> None:
    try:
        models.faces.find("GFPGAN")
    except UserError as error:
        raise UserError(error.message, hint=error.hint, field="faces.gfpgan") from error


operations.add(
    "GFPGAN", Operation(order=2000, wanted=lambda request: request.faces.gfpgan > 0, apply=gfpgan, check=check)
)
