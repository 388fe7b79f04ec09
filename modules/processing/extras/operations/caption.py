"""Caption: what the text file beside a picture says."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from modules.core.errors import UserError
from modules.imaging.infotext import parse_infotext
from modules.processing.extras.operation import Models, Operation, Piece, Tools, operations
from modules.processing.extras.request import Captions, ExtrasRequest
from modules.prompting.networks import parse_networks

_PLACE = re.compile(r"\{(prompt|negative|name)\}")


def caption(piece: Piece, request: ExtrasRequest, tools: Tools) -> Sequence[Piece]:
    wish = request.dataset.captions
    assert wish is not None
    fields = parse_infotext(piece.texts.get("parameters", ""))
    prompt, _ = parse_networks(fields["Prompt"])
    words = {"prompt": prompt.strip(), "negative": fields["Negative prompt"], "name": piece.name.rpartition(".")[0]}
    template = "{prompt}" if wish.by == "prompt" else wish.text
    text = _PLACE.sub(lambda place: words[place[1]], template).strip()
    if not text:
        tools.tell(f"{piece.name or 'A picture'} has no caption: its file tells no prompt.")
    return [dataclasses.replace(piece, caption=text)]


def check(request: ExtrasRequest, models: Models) -> None:
    wish = request.dataset.captions or Captions()
    if wish.by in ("BLIP", "Deepbooru"):
        raise UserError(
            f"A caption by {wish.by} needs the model {wish.by}, which Easel does not have.",
            hint="Choose the picture's prompt, or a text of your own.",
            field="dataset.captions.by",
        )
    if wish.by == "text" and not wish.text.strip():
        raise UserError("The text of the captions is empty.", hint="Write one.", field="dataset.captions.text")


operations.add(
    "Caption",
    Operation(order=4040, wanted=lambda request: request.dataset.captions is not None, apply=caption, check=check),
)
