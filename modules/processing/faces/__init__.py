"""Face restorers: networks that draw one face anew. They exist where their weights lie in models/.

Both were made for a square picture of a single aligned face, as face datasets have them. Finding and aligning the
faces of a larger picture needs a face detector, which Easel does not have: such pictures are refused, not guessed at.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from modules.core.errors import NotFoundError, UserError
from modules.core.paths import Paths
from modules.processing.memory import select_device
from modules.processing.models.hashes import stamp

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 512  # pixels of the faces that both networks were trained on
SUFFIXES = (".safetensors", ".pth")

Draw = Callable[["Tensor", float], "Tensor"]  # (RGB [1, 3, 512, 512] in [-1, 1], weight) -> the same shape and range


@dataclass(frozen=True, kw_only=True)
class _Kind:
    folders: Callable[[Paths], list[Path]]
    file: str
    package: str = ""  # which adds the network to spandrel


KINDS = {
    "CodeFormer": _Kind(
        folders=lambda paths: paths.codeformer, file="codeformer-v0.1.0", package="spandrel_extra_arches"
    ),
    "GFPGAN": _Kind(folders=lambda paths: paths.gfpgan, file="GFPGANv1.4"),
}


@dataclass(frozen=True, kw_only=True)
class Restorer:
    """`draw`: gives the network, from memory or from its file."""

    name: str
    path: Path
    draw: Callable[[], Draw]

    def restore(self, image: Image.Image, visibility: float, weight: float) -> Image.Image:
        """The picture with its face drawn anew, of the same size. visibility: 0 keeps the old one, 1 only has the new.

        weight: of CodeFormer, 0 takes the most liberties and 1 the fewest. UserError unless the picture is square.
        """
        if image.width != image.height:
            raise UserError(
                f"{self.name} draws one face anew, in a square picture of nothing else; this one is "
                f"{image.width}x{image.height}.",
                hint="Easel has no face detector: crop the face to a square and restore that.",
                field="faces",
            )
        if visibility == 0:
            return image
        old = image.convert("RGB")
        new = _drawn(old.resize((SIDE, SIDE), Image.Resampling.LANCZOS), self.draw(), weight)
        made = Image.blend(old, new.resize(old.size, Image.Resampling.LANCZOS), visibility)
        if image.has_transparency_data:
            made.putalpha(image.convert("RGBA").getchannel("A"))
        return made


class Faces:
    """Restorers by name. One network is kept in memory."""

    def __init__(self, paths: Paths, *, allow_pickle: bool = False) -> None:
        self.paths = paths
        self._allow_pickle = allow_pickle
        self._lock = threading.Lock()
        self._kept: tuple[object, Draw] | None = None

    def names(self) -> list[str]:
        """Those whose weights are there."""
        return [name for name in KINDS if self._file(name)]

    def find(self, name: str) -> Restorer:
        """Without regard to case. UserError says which file is missing, and where it belongs."""
        known = {one.casefold(): one for one in KINDS}.get(name.strip().casefold())
        if known is None:
            hint = f"There are: {', '.join(KINDS)}."
            raise NotFoundError(f"There is no face restorer {name!r}.", hint=hint, field="faces")
        path, kind = self._file(known), KINDS[known]
        if path is None:
            folder = kind.folders(self.paths)[0]
            raise UserError(
                f"{known} needs its weights, {kind.file}.safetensors, which are not there.",
                hint=f"Put them into {folder} ({kind.file}.pth needs --allow-pickle).",
                field="faces",
            )
        return Restorer(name=known, path=path, draw=lambda: self._draw(known, path))

    def unload(self) -> None:
        """Give the network's memory back."""
        with self._lock:
            self._kept = None

    def _file(self, name: str) -> Path | None:
        """The newest version by its name, .safetensors first."""
        found = [one for root in KINDS[name].folders(self.paths) for one in root.glob("*")]
        found = [one for one in found if one.suffix.lower() in SUFFIXES and name.casefold() in one.stem.casefold()]
        found.sort(key=lambda one: one.name, reverse=True)
        return min(found, key=lambda one: SUFFIXES.index(one.suffix.lower()), default=None)

    def _draw(self, name: str, path: Path) -> Draw:
        from modules.processing.faces.load import load_face_network

        with self._lock:
            key = (path, stamp(path), select_device())
            if self._kept is None or self._kept[0] != key:
                self._kept = None  # room first
                draw = load_face_network(name, path, KINDS[name].package, self._allow_pickle)
                self._kept = (key, draw)
            return self._kept[1]


def _drawn(face: Image.Image, draw: Draw, weight: float) -> Image.Image:
    import numpy as np
    import torch

    with torch.inference_mode():
        x = torch.tensor(np.asarray(face)).permute(2, 0, 1)[None].float() / 127.5 - 1
        out = draw(x, weight)[0].float().cpu()
    pixels = ((out + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
    return Image.fromarray(pixels.numpy())
