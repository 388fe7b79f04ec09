"""A studio without models, and pictures to work on."""

import dataclasses
import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from modules.core.errors import NotFoundError
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.imaging.inputs import PictureStore
from modules.processing.extras.request import ExtrasRequest, InputPicture, Pictures
from modules.processing.upscalers import Upscaler, Upscalers


class Faces:
    """Paints the upper left pixel red, as far as it is to be seen."""

    def find(self, name: str) -> "Faces":
        if name not in ("GFPGAN", "CodeFormer"):
            raise NotFoundError(f"There is no {name}.")
        return self

    def restore(self, image: Image.Image, visibility: float, weight: float) -> Image.Image:
        made = image.copy()
        made.putpixel((0, 0), (255, 0, 0))
        return Image.blend(image, made, visibility)


@pytest.fixture
def studio(tmp_path: Path) -> SimpleNamespace:
    paths = Paths(data=tmp_path, models=tmp_path / "models")
    settings = Settings(None)
    return SimpleNamespace(
        paths=paths,
        settings=settings,
        inputs=PictureStore(paths.cache / "inputs"),
        upscalers=Upscalers(paths, settings),
        faces=Faces(),
    )


def _noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def told(image: Image.Image, texts: dict[str, str]) -> Image.Image:
    """The picture as a file that says `texts`."""
    chunks, raw = PngInfo(), io.BytesIO()
    for name, text in texts.items():
        chunks.add_text(name, text)
    image.save(raw, "PNG", pnginfo=chunks)
    return Image.open(io.BytesIO(raw.getvalue()))


@pytest.fixture
def noise():
    return _noise


@pytest.fixture
def asked(studio: SimpleNamespace):
    """A request for pictures of the store: asked(image, ..., size=...)."""

    def make(*images: Image.Image, names: tuple[str, ...] = (), texts: dict[str, str] | None = None, **more: object):
        found = tuple(
            InputPicture(picture=studio.inputs.put(told(one, texts or {})), name=names[at] if at < len(names) else "")
            for at, one in enumerate(images)
        )
        return dataclasses.replace(ExtrasRequest(source=Pictures(pictures=found)), **more)

    return make


@pytest.fixture
def counting(studio: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Sizes that the upscalers were asked for."""
    asked_for: list[tuple[int, int]] = []
    whole = Upscaler.upscale

    def upscale(self, image, width, height, **more):
        asked_for.append((width, height))
        return whole(self, image, width, height, **more)

    monkeypatch.setattr(Upscaler, "upscale", upscale)
    return asked_for
