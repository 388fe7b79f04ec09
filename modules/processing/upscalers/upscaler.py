"""One way of making a picture bigger, to exactly the size that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from modules.core.errors import UserError
from modules.processing.progress import Check, no_check

RUNS = 3  # of a model on its own results, at most

Enlarge = Callable[[Image.Image, Check], Image.Image]  # one run of a model over an RGB picture: as many times as large


@dataclass(frozen=True, kw_only=True)
class Upscaler:
    """`scale`: of one run of the model, None where only the model itself knows. `path`: its file,
    in a `folder` of that kind of Paths.upscalers."""

    name: str
    scale: float | None = None
    path: Path | None = None
    folder: str = ""
    enlarge: Enlarge | None = None
    resample: Image.Resampling = Image.Resampling.LANCZOS

    def upscale(self, image: Image.Image, width: int, height: int, *, check: Check = no_check) -> Image.Image:
        """RGB of exactly width x height; RGBA where the picture has transparency. It may be smaller, too.

        The model runs until the picture is large enough, then it is resized.
        """
        if width < 1 or height < 1:
            raise UserError(f"A picture of {width}x{height} was asked for.", hint="Ask for 1 pixel or more.")
        if not image.has_transparency_data:
            return self._to_size(image.convert("RGB"), width, height, check)
        whole = image.convert("RGBA")
        if self.enlarge is None:
            return whole.resize((width, height), self.resample)  # colours weighted by their opacity
        grown = self._to_size(whole.convert("RGB"), width, height, check)
        grown.putalpha(whole.getchannel("A").resize((width, height), self.resample))
        return grown

    def _to_size(self, image: Image.Image, width: int, height: int, check: Check) -> Image.Image:
        for _ in range(RUNS if self.enlarge else 0):
            if image.width >= width and image.height >= height:
                break
            check()
            assert self.enlarge is not None
            before = image.size
            image = self.enlarge(image, check)
            if image.size == before:  # a model that repairs and does not enlarge
                break
        return image if image.size == (width, height) else image.resize((width, height), self.resample)
