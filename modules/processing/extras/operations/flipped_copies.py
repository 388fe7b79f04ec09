"""Create flipped copies: mirrored ones beside the picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from PIL import Image

from modules.processing.extras.operation import Operation, Piece, Tools, operations
from modules.processing.extras.request import ExtrasRequest

FLIPS = {
    "Horizontal": Image.Transpose.FLIP_LEFT_RIGHT,
    "Vertical": Image.Transpose.FLIP_TOP_BOTTOM,
    "Both": Image.Transpose.ROTATE_180,
}


def flipped_copies(piece: Piece, request: ExtrasRequest, tools: Tools) -> Sequence[Piece]:
    copies = [
        dataclasses.replace(piece, image=piece.image.transpose(FLIPS[flip]), tags=(*piece.tags, flip.lower()))
        for flip in dict.fromkeys(request.dataset.flips)
    ]
    return [piece, *copies]


operations.add(
    "Create flipped copies",
    Operation(order=4030, wanted=lambda request: bool(request.dataset.flips), apply=flipped_copies),
)
