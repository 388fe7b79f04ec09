"""The model files that upscale, by A1111's folders, and the settings that belong to each folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modules.core.errors import ModelError
from modules.core.paths import Paths
from modules.core.settings import Setting, define
from modules.processing.models.safetensors_header import read_header
from modules.processing.upscalers.layout import find_layout

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")  # of files with one stem, the first is taken
SECTION = "Upscaling"
log = logging.getLogger(__name__)


def _tile(key: str, name: str, size: int = 192) -> tuple[Setting[int], Setting[int]]:
    tile = Setting(
        key,
        size,
        f"Tile of {name} (pixels)",
        section=SECTION,
        minimum=0,
        maximum=2048,
        step=16,
        hint="A picture is upscaled in tiles of this side at most; 0: whole.",
    )
    overlap = Setting(
        f"{key}_overlap",
        8,
        f"Tile overlap of {name} (pixels)",
        section=SECTION,
        minimum=0,
        maximum=256,
        step=1,
        hint="Neighbouring tiles share this many pixels and are blended there.",
    )
    return define(tile), define(overlap)


ESRGAN_TILE = _tile("ESRGAN_tile", "ESRGAN, Real-ESRGAN, HAT")
DAT_TILE = _tile("DAT_tile", "DAT")
SWIN_TILE = _tile("SWIN_tile", "SwinIR")
SCUNET_TILE = _tile("SCUNET_tile", "ScuNET", 256)

TILES = {  # kind of Paths.upscalers -> its settings
    "ESRGAN": ESRGAN_TILE,
    "RealESRGAN": ESRGAN_TILE,
    "BSRGAN": ESRGAN_TILE,
    "DAT": DAT_TILE,
    "HAT": ESRGAN_TILE,
    "SwinIR": SWIN_TILE,
    "ScuNET": SCUNET_TILE,
}

# A1111's names, in small letters, of models that it downloads itself -> stems of their files
A1111_NAMES = {
    "r-esrgan 4x+": "RealESRGAN_x4plus",
    "r-esrgan 4x+ anime6b": "RealESRGAN_x4plus_anime_6B",
    "r-esrgan 2x+": "RealESRGAN_x2plus",
    "r-esrgan general 4xv3": "realesr-general-x4v3",
    "r-esrgan general wdn 4xv3": "realesr-general-wdn-x4v3",
    "r-esrgan animevideo": "realesr-animevideov3",
    "swinir 4x": "SwinIR_4x",
    "scunet gan": "ScuNET",
    "dat x2": "DAT_x2",
    "dat x3": "DAT_x3",
    "dat x4": "DAT_x4",
}


@dataclass(frozen=True, kw_only=True)
class UpscalerFile:
    """`scale` of one run: None where only reading the weights would tell."""

    name: str
    path: Path
    folder: str  # of TILES
    scale: int | None

    @property
    def tile(self) -> tuple[Setting[int], Setting[int]]:
        return TILES[self.folder]


def find_files(paths: Paths) -> list[UpscalerFile]:
    """All model files, by name. The stem is the name; with its folder where another folder has the same stem."""
    found: dict[str, UpscalerFile] = {}
    for folder, path in _walk(paths):
        name = path.stem
        if name.casefold() in found:
            name = f"{folder}/{name}"
        if name.casefold() not in found:
            found[name.casefold()] = UpscalerFile(name=name, path=path, folder=folder, scale=_scale(path))
    return [found[key] for key in sorted(found)]


def _walk(paths: Paths) -> Iterator[tuple[str, Path]]:
    for folder, root in paths.upscalers:
        stems: dict[Path, Path] = {}
        files = [one for one in sorted(root.rglob("*")) if one.suffix.lower() in SUFFIXES and one.is_file()]
        for path in sorted(files, key=lambda one: SUFFIXES.index(one.suffix.lower())):
            stems.setdefault(path.with_suffix(""), path)
        yield from ((folder, path) for path in stems.values())


def _scale(path: Path) -> int | None:
    if path.suffix.lower() != ".safetensors":
        return None
    try:
        shapes = {name: one.shape for name, one in read_header(path).tensors.items()}
        layout = find_layout(shapes, path.name)
    except ModelError as error:
        log.warning("%s", error)
        return None
    return layout.scale if layout else None
