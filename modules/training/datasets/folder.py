"""A folder of pictures with captions: NAME.txt beside NAME.png, or the words of the file name.

Pictures keep their shapes: each goes to the bucket nearest to its aspect ratio, is made to cover it and cut to it.
With `size_words` captions may say "low resolution" (it had to be enlarged), "high resolution" (it was at least twice
as large) and "cropped" (over a fifth is cut off). Words, not an embedding of numbers: every program that loads Stable
Diffusion 1 can say them, or put them into the negative prompt, while numbers would need a pipeline of our own.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from modules.core.errors import UserError
from modules.training.buckets import Size, bucket_sizes, nearest_bucket
from modules.training.config import Data
from modules.training.datasets.mirroring import may_mirror
from modules.training.randomness import numpy_generator

log = logging.getLogger(__name__)

KINDS = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
DRAWING = 1  # raise it when `picture` makes other pictures of the same cuts
CLOSEST = 0.75  # side of a random cut, at least, by that of the largest one
HELD_OUT_SHARE = 20  # one picture in so many is kept for the validation, if there are at least as many
VALIDATION_PICTURES = 32
LOW, HIGH, WHOLE = 1.1, 0.5, 0.8  # pixels made of one, at which words are said; share of the area that is not "cropped"
WORDS_SHARE = 0.5  # of the captions that tell the size, so that prompts without these words are known too


@dataclass(frozen=True)
class Photo:
    """size: (width, height) when upright. digest: of the file's bytes."""

    path: Path
    size: Size
    bucket: Size
    text: str
    digest: str

    @property
    def held_out(self) -> bool:
        return int(self.digest[:8], 16) % HELD_OUT_SHARE == 0


@dataclass(frozen=True)
class Cut:
    """box: left, top, right, bottom in pixels of the upright picture; fractions are allowed."""

    photo: Photo
    box: tuple[float, float, float, float]
    mirrored: bool = False

    @property
    def size_words(self) -> str:
        width, height = self.box[2] - self.box[0], self.box[3] - self.box[1]
        enlarged = self.photo.bucket[0] / width
        words = ["low resolution"] if enlarged > LOW else ["high resolution"] if enlarged <= HIGH else []
        if width * height < WHOLE * self.photo.size[0] * self.photo.size[1]:
            words.append("cropped")
        return ", ".join(words)


class PictureFolder:
    """Each picture is drawn as often as every other one, whatever the number of its cuts."""

    def __init__(self, data: Data) -> None:
        self._size_words = data.size_words
        folder = Path(data.folder).expanduser()
        buckets = bucket_sizes(data.size, data.bucket_step, data.bucket_ratio)
        photos = [_photo(path, buckets) for path in _picture_files(folder)]
        if not photos:
            raise UserError(
                f"There are no pictures in {folder.name}.", hint=f"Known kinds: {', '.join(sorted(KINDS))}."
            )
        self.cuts: list[Cut] = []
        weights: list[float] = []
        holds_out = len(photos) >= HELD_OUT_SHARE and not all(photo.held_out for photo in photos)
        held_out: list[int] = []
        for photo in photos:
            cuts = list(_cuts(photo, data))
            if holds_out and photo.held_out:
                held_out.append(len(self.cuts))
                weights += [0.0] * len(cuts)
            else:
                weights += [1 / len(cuts)] * len(cuts)
            self.cuts += cuts
        self.weights = np.array(weights)
        self.sizes: Sequence[Size] = [cut.photo.bucket for cut in self.cuts]
        self.validation = (held_out or [index for index, one in enumerate(weights) if one])[:VALIDATION_PICTURES]
        small = sum(photo.bucket[0] * photo.bucket[1] > photo.size[0] * photo.size[1] for photo in photos)
        log.info("%d pictures in %d buckets, %d held out", len(photos), len(set(self.sizes)), len(held_out))
        if small:
            log.warning("%d of %d pictures are smaller than data.size and are enlarged", small, len(photos))

    def picture(self, item: int) -> np.ndarray:
        cut = self.cuts[item]
        try:
            with Image.open(cut.photo.path) as image:
                upright = ImageOps.exif_transpose(image) if _tells_orientation(image) else image
                if upright.has_transparency_data:
                    upright = upright.convert("RGBA")
                    white = Image.new("RGBA", upright.size, (255, 255, 255, 255))
                    upright = Image.alpha_composite(white, upright)
                fitted = upright.convert("RGB").resize(cut.photo.bucket, Image.Resampling.LANCZOS, box=cut.box)
        except OSError as error:
            raise _unreadable(cut.photo.path, error) from error
        return np.asarray(ImageOps.mirror(fitted) if cut.mirrored else fitted)

    def key(self, item: int) -> str:
        cut = self.cuts[item]
        told = (DRAWING, cut.photo.digest, cut.photo.bucket, cut.box, cut.mirrored)
        return hashlib.sha256(repr(told).encode()).hexdigest()

    def caption(self, item: int, generator: np.random.Generator) -> str:
        text = self.label(item)
        words = self.cuts[item].size_words if self._size_words and generator.random() < WORDS_SHARE else ""
        return ", ".join(part for part in (text, words) if part)

    def label(self, item: int) -> str:
        return self.cuts[item].photo.text


def _picture_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in KINDS and path.is_file())


def _photo(path: Path, buckets: list[Size]) -> Photo:
    try:
        with Image.open(path) as image:
            width, height = image.size
            if _tells_orientation(image) and image.getexif().get(0x0112, 1) >= 5:  # lies on a side
                width, height = height, width
    except OSError as error:
        raise _unreadable(path, error) from error
    beside = path.with_suffix(".txt")
    # "red_apple-03" says "red apple"
    text = beside.read_text("utf-8") if beside.is_file() else re.sub(r"[\W_]+|\d+$", " ", path.stem)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Photo(path, (width, height), nearest_bucket((width, height), buckets), " ".join(text.split()), digest)


def _unreadable(path: Path, error: OSError) -> UserError:
    """Names only the picture and its folder: clients of the API read it, and need not know the way there."""
    name = "/".join(path.parts[-2:])
    why = str(error).replace(str(path), name)
    return UserError(f"{name} cannot be read as a picture: {why}.", hint="Replace or remove it.")


def _tells_orientation(image: Image.Image) -> bool:
    """Asked before the pixels are read: `getexif` reads all of a PNG to look behind them."""
    return "exif" in image.info


def _cuts(photo: Photo, data: Data) -> Iterator[Cut]:
    """The largest cut of the bucket's shape in the middle, then random ones; each mirrored too where that may be."""
    (width, height), (bucket_width, bucket_height) = photo.size, photo.bucket
    largest = min(width / bucket_width, height / bucket_height)
    generator = numpy_generator("cuts", photo.digest)
    for index in range(data.crops):
        zoom, across, down = (1.0, 0.5, 0.5) if index == 0 else (generator.uniform(CLOSEST, 1), *generator.random(2))
        cut_width, cut_height = bucket_width * largest * zoom, bucket_height * largest * zoom
        left, top = across * (width - cut_width), down * (height - cut_height)
        box = (left, top, min(width, left + cut_width), min(height, top + cut_height))
        yield Cut(photo, box)
        if data.flips and may_mirror(photo.text):
            yield Cut(photo, box, mirrored=True)
