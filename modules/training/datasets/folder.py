"""A folder of pictures with captions, in any layout that modules/training/datasets/entries.py knows.

Pictures keep their shapes: each goes to the bucket nearest to its aspect ratio, is made to cover it and cut to it.
With `size_words` captions may say "low resolution" (it had to be enlarged), "high resolution" (it was at least twice
as large) and "cropped" (over a fifth is cut off). Words, not an embedding of numbers: every program that loads Stable
Diffusion 1 can say them, or put them into the negative prompt, while numbers would need a pipeline of our own.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from modules.core.errors import UserError
from modules.imaging.resize import cover_size
from modules.processing.extras.operations.focal_crop import focal_offset
from modules.processing.extras.request import FocalCrop
from modules.training.buckets import Size, bucket_sizes, nearest_bucket
from modules.training.config import Data
from modules.training.datasets.captions import CaptionDraws, with_trigger
from modules.training.datasets.decode import BROKEN, opened, to_mask, to_rgb, upright_size
from modules.training.datasets.entries import KINDS, Entry, read_entries, refuse
from modules.training.datasets.mirroring import may_mirror
from modules.training.randomness import numpy_generator

log = logging.getLogger(__name__)

DRAWING = 2  # raise it when `picture` makes other pictures of the same cuts
CLOSEST = 0.75  # side of a random cut, at least, by that of the largest one
HELD_OUT_SHARE = 20  # one picture in so many is kept for the validation, if there are at least as many
VALIDATION_PICTURES = 32
LOW, HIGH, WHOLE = 1.1, 0.5, 0.8  # pixels made of one, at which words are said; share of the area that is not "cropped"
PLAIN = (1.0, 1.0, 1.0)  # colours as they are
WORDS_SHARE = 0.5  # of the captions that tell the size, so that prompts without these words are known too

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Photo:
    """size: (width, height) when upright. digest: of the file's bytes."""

    path: Path
    size: Size
    bucket: Size
    text: str
    digest: str
    repeats: int = 1
    mask: Path | None = None
    regularisation: bool = False

    @property
    def held_out(self) -> bool:
        return not self.regularisation and int(self.digest[:8], 16) % HELD_OUT_SHARE == 0


@dataclass(frozen=True)
class Cut:
    """box: left, top, right, bottom in pixels of the upright picture; fractions are allowed.

    colours: times as much brightness, contrast and saturation.
    """

    photo: Photo
    box: Box
    mirrored: bool = False
    colours: tuple[float, float, float] = PLAIN

    @property
    def size_words(self) -> str:
        width, height = self.box[2] - self.box[0], self.box[3] - self.box[1]
        enlarged = self.photo.bucket[0] / width
        words = ["low resolution"] if enlarged > LOW else ["high resolution"] if enlarged <= HIGH else []
        if width * height < WHOLE * self.photo.size[0] * self.photo.size[1]:
            words.append("cropped")
        return ", ".join(words)


class PictureFolder:
    """Each picture is drawn as often as every other one of as many repeats, whatever the number of its cuts.

    Regularisation pictures, those of the dataset and those in the folder `regularisation`, are together drawn as often
    as all others; they are never in the validation.
    """

    def __init__(self, data: Data, regularisation: Path | None = None) -> None:
        self._data = data
        self._draws = CaptionDraws(data.shuffle_tags, data.keep_tags, data.tag_dropout)
        photos = _photos(data, regularisation)
        self.cuts: list[Cut] = []
        weights: list[float] = []
        subject = [photo for photo in photos if not photo.regularisation]
        holds_out = len(subject) >= HELD_OUT_SHARE and not all(photo.held_out for photo in subject)
        held_out: list[int] = []
        for photo in photos:
            cuts = list(_cuts(photo, data))
            if holds_out and photo.held_out:
                held_out.append(len(self.cuts))
                weights += [0.0] * len(cuts)
            else:
                weights += [photo.repeats / len(cuts)] * len(cuts)
            self.cuts += cuts
        self.weights = _balanced(np.array(weights), np.array([cut.photo.regularisation for cut in self.cuts]))
        self.sizes: Sequence[Size] = [cut.photo.bucket for cut in self.cuts]
        drawn = [index for index, cut in enumerate(self.cuts) if weights[index] and not cut.photo.regularisation]
        self.validation = (held_out or drawn)[:VALIDATION_PICTURES]
        small = sum(photo.bucket[0] * photo.bucket[1] > photo.size[0] * photo.size[1] for photo in photos)
        log.info("%d pictures in %d buckets, %d held out", len(photos), len(set(self.sizes)), len(held_out))
        if small:
            log.warning("%d of %d pictures are smaller than data.size and are enlarged", small, len(photos))

    @property
    def captions_vary(self) -> bool:
        return self._draws.vary or self._data.size_words

    def picture(self, item: int) -> np.ndarray:
        cut = self.cuts[item]
        with _named(cut.photo.path), opened(cut.photo.path) as image:
            fitted = to_rgb(image).resize(cut.photo.bucket, Image.Resampling.LANCZOS, box=cut.box)
        return np.asarray(_coloured(ImageOps.mirror(fitted) if cut.mirrored else fitted, cut.colours))

    def mask(self, item: int, size: Size) -> np.ndarray | None:
        """From the mask's file, or the picture's opacity; UserError when nothing of the cut counts."""
        if not self._data.masks:
            return None
        cut = self.cuts[item]
        path = cut.photo.mask or cut.photo.path
        with _named(path), opened(path) as image:
            whole = to_mask(image, alpha=cut.photo.mask is None)
        if whole is None:
            return None
        across, down = whole.width / cut.photo.size[0], whole.height / cut.photo.size[1]
        box = (cut.box[0] * across, cut.box[1] * down, cut.box[2] * across, cut.box[3] * down)
        fitted = whole.resize(size, Image.Resampling.BOX, box=box)
        shown = np.asarray(ImageOps.mirror(fitted) if cut.mirrored else fitted, np.float32) / 255
        weight = self._data.unmasked_weight + (1 - self._data.unmasked_weight) * shown
        if not weight.any():
            refuse("mask_empty", path, "leaves nothing of the picture to learn from")
        return weight / weight.mean()

    def is_regularisation(self, item: int) -> bool:
        return self.cuts[item].photo.regularisation

    def key(self, item: int) -> str:
        cut = self.cuts[item]
        told = (DRAWING, cut.photo.digest, cut.photo.bucket, cut.box, cut.mirrored, cut.colours)
        return hashlib.sha256(repr(told).encode()).hexdigest()

    def caption(self, item: int, generator: np.random.Generator) -> str:
        text = self._draws.draw(self.label(item), generator)
        words = self.cuts[item].size_words if self._data.size_words and generator.random() < WORDS_SHARE else ""
        return ", ".join(part for part in (text, words) if part)

    def label(self, item: int) -> str:
        return self.cuts[item].photo.text


def _photos(data: Data, regularisation: Path | None) -> list[Photo]:
    folder = Path(data.folder).expanduser()
    entries = read_entries(folder)
    if all(entry.regularisation for entry in entries):
        raise UserError(
            f"There are no pictures in {folder.name}.",
            hint=f"Known kinds: {', '.join(sorted(KINDS))}.",
            field="data.folder",
        )
    if regularisation is not None:
        entries += [dataclasses.replace(entry, regularisation=True) for entry in read_entries(regularisation)]
    buckets = bucket_sizes(data.size, data.bucket_step, data.bucket_ratio)
    return [_photo(entry, data.trigger, buckets) for entry in entries]


def _photo(entry: Entry, trigger: str, buckets: list[Size]) -> Photo:
    with _named(entry.path), opened(entry.path) as image:
        size = upright_size(image)
    text = entry.caption
    if trigger and not entry.regularisation:
        text = with_trigger("" if entry.told_by == "name" else text, trigger)
    digest = hashlib.sha256(entry.path.read_bytes()).hexdigest()
    bucket = nearest_bucket(size, buckets)
    return Photo(entry.path, size, bucket, text, digest, entry.repeats, entry.mask, entry.regularisation)


def _balanced(weights: np.ndarray, regularisation: np.ndarray) -> np.ndarray:
    """Both kinds are drawn as often."""
    total = weights[regularisation].sum()
    if total:
        weights[regularisation] *= weights[~regularisation].sum() / total
    return weights


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        why = str(error).replace(str(path), path.name)
        refuse("unreadable", path, f"cannot be read as a picture: {why}")


def _coloured(picture: Image.Image, colours: tuple[float, float, float]) -> Image.Image:
    for kind, factor in zip((ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color), colours):
        if factor != 1:
            picture = kind(picture).enhance(factor)
    return picture


def _cuts(photo: Photo, data: Data) -> Iterator[Cut]:
    """The largest cut of the bucket's shape, placed by data.cut, then random ones; each mirrored too where that may be.

    All cuts but the first have other colours too, within data.colour_jitter.
    """
    (width, height), (bucket_width, bucket_height) = photo.size, photo.bucket
    largest = min(width / bucket_width, height / bucket_height)
    generator, colouring = numpy_generator("cuts", photo.digest), numpy_generator("colours", photo.digest)
    for index in range(data.crops):
        if index == 0:
            zoom, (across, down), colours = 1.0, _placed(photo, data), PLAIN
        else:
            zoom, across, down = generator.uniform(CLOSEST, 1), *generator.random(2)
            drawn = colouring.uniform(1 - data.colour_jitter, 1 + data.colour_jitter, 3)
            colours = (float(drawn[0]), float(drawn[1]), float(drawn[2]))
        cut_width, cut_height = bucket_width * largest * zoom, bucket_height * largest * zoom
        left, top = across * (width - cut_width), down * (height - cut_height)
        box = (left, top, min(width, left + cut_width), min(height, top + cut_height))
        yield Cut(photo, box, colours=colours)
        if data.flips and may_mirror(photo.text):
            yield Cut(photo, box, mirrored=True, colours=colours)


def _placed(photo: Photo, data: Data) -> tuple[float, float]:
    """Where the first cut lies in what is left over across and down, 0 to 1."""
    if data.cut == "middle":
        return 0.5, 0.5
    width, height = photo.bucket
    with _named(photo.path), opened(photo.path) as image:
        scaled = to_rgb(image).resize(cover_size(*photo.size, width, height), Image.Resampling.LANCZOS)
    left, top = focal_offset(scaled, width, height, FocalCrop())
    return left / max(scaled.width - width, 1), top / max(scaled.height - height, 1)
