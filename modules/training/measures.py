"""What easel-mini is measured by: pure functions of a painter, an autoencoder and the set; numbers with their bars."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from modules.core.errors import UserError
from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.datasets.scenes import COLOURS, PLAIN, Scene, draw
from modules.training.likeness import Likeness, disturbances
from modules.training.painter import Painter, Wish
from modules.training.pictures import to_tensor
from modules.training.quality import psnr, ssim

DIVERSE, SEEDS = 8, 4  # prompts whose seeds are compared, and seeds of each
Rebuild = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # uint8 RGB [N, H, W, 3] -> the same, scaled latents


@dataclass(frozen=True)
class Measure:
    """A number, its bar from `low` to `high`, and the rule it was found by."""

    name: str
    value: float
    unit: str
    rule: str
    low: float = -math.inf
    high: float = math.inf

    @property
    def met(self) -> bool:
        return self.low <= self.value <= self.high

    @property
    def bar(self) -> str:
        if math.isinf(self.low):
            return f"at most {self.high:g} {self.unit}".strip()
        if math.isinf(self.high):
            return f"at least {self.low:g} {self.unit}".strip()
        return f"{self.low:g} to {self.high:g} {self.unit}".strip()


@dataclass(frozen=True)
class Labelled:
    """A plain label's picture. `place` is that of the prompted emoji by nearness among all, `nearest` the first one."""

    prompt: str
    seed: int
    place: int
    nearest: str


@dataclass(frozen=True)
class Composed:
    """A picture on a named background. `seen` is the colour that its corners are nearest to."""

    prompt: str
    seed: int
    colour: str
    seen: str


def choose(pictures: PictureSet, count: int) -> list[int]:
    """`count` popular subjects, evenly spaced in the order of the set."""
    popular = [index for index, subject in enumerate(pictures.subjects) if subject.popular]
    if not 1 <= count <= len(popular):
        raise UserError(f"{count} labels were asked for.", hint=f"The set has 1 to {len(popular)} popular subjects.")
    return [popular[place * len(popular) // count] for place in range(count)]


def rebuilt(rebuild: Rebuild, pictures: PictureSet) -> list[Measure]:
    """The autoencoder on each held-out emoji once, every second on one of the colours in turn."""
    held_out = [index for index, subject in enumerate(pictures.subjects) if subject.held_out]
    if not held_out:
        raise UserError("The set has no held-out pictures.", hint="Build it again.")
    names = list(COLOURS)
    scenes = [
        Scene((index,), PLAIN if place % 2 == 0 else names[place % len(names)]) for place, index in enumerate(held_out)
    ]
    originals = np.stack([draw(scene, pictures) for scene in scenes])
    again, latents = rebuild(originals)
    rule = f"mean of {len(scenes)} held-out pictures, every second on a coloured background, "
    signal = float(psnr(to_tensor(again), to_tensor(originals)).mean())
    structure = float(ssim(to_tensor(again), to_tensor(originals)).mean())
    return [
        Measure("Autoencoder: PSNR", signal, "dB", rule + "8-bit RGB", low=28),
        Measure("Autoencoder: SSIM", structure, "", rule + "Gaussian window of 11, deviation 1.5, RGB", low=0.93),
        Measure(
            "Autoencoder: deviation of the latents",
            float(latents.std()),
            "",
            "over all values of the same pictures' latents, after scaling",
            low=0.9,
            high=1.1,
        ),
    ]


def ceiling(likeness: Likeness, rebuild: Rebuild, pictures: PictureSet, subjects: Sequence[int]) -> Measure:
    """How often the likeness itself finds a true picture that was shifted, blurred, compressed or rebuilt."""
    subjects = list(subjects)
    true = np.stack([draw(Scene((index,)), pictures) for index in subjects])
    found = {}
    for name, change in disturbances(pictures.size).items():
        changed = np.stack([change(picture, place) for place, picture in enumerate(true)])
        found[name] = likeness.places(changed, subjects)
    found["through the autoencoder"] = likeness.places(rebuild(true)[0], subjects)
    parts = ", ".join(f"{name} {_percent(places == 1):.1f} %" for name, places in found.items())
    value = _percent(np.concatenate(list(found.values())) == 1)
    rule = f"the true pictures of the same labels, changed: {parts}; this is the ceiling of the next two numbers"
    return Measure("Likeness: finds true pictures", value, "%", rule, low=95)


def labels(
    paint: Painter, likeness: Likeness, pictures: PictureSet, subjects: Sequence[int], seed: int
) -> tuple[list[Measure], list[Labelled], np.ndarray]:
    """Paint each label once; picture k has seed + k."""
    subjects = list(subjects)
    wishes = [Wish(pictures.subjects[index].label, seed + place) for place, index in enumerate(subjects)]
    painted = paint(wishes)
    places, nearest = likeness.places(painted, subjects), likeness.nearest(painted)
    details = [
        Labelled(wish.prompt, wish.seed, int(place), pictures.subjects[like].label)
        for wish, place, like in zip(wishes, places, nearest)
    ]
    rule = f"{len(wishes)} plain labels, evenly spaced among the popular ones, against all {len(likeness)} emoji"
    measures = [
        Measure("Label: the nearest emoji is the prompted one", _percent(places == 1), "%", rule, low=60),
        Measure("Label: it is among the nearest five", _percent(places <= 5), "%", rule, low=80),
    ]
    return measures, details, painted


def compositions(
    paint: Painter, pictures: PictureSet, subjects: Sequence[int], seed: int
) -> tuple[Measure, list[Composed], np.ndarray]:
    """Paint each subject on one colour, the colours in turn; picture k has seed + k."""
    names = [name for name in COLOURS if name != PLAIN]
    asked = [names[place % len(names)] for place in range(len(subjects))]
    wishes = [
        Wish(on_background(pictures.subjects[index].label, colour), seed + place)
        for place, (index, colour) in enumerate(zip(subjects, asked))
    ]
    painted = paint(wishes)
    details = [
        Composed(wish.prompt, wish.seed, colour, background(picture))
        for wish, colour, picture in zip(wishes, asked, painted)
    ]
    right = np.array([one.seen == one.colour for one in details])
    rule = f"{len(wishes)} prompts; the median colour of the four corners is nearest to the named one of {len(COLOURS)}"
    return Measure("Background: the named colour", _percent(right), "%", rule, low=85), details, painted


def on_background(label: str, colour: str) -> str:
    return f"{label} on {'an' if colour[0] in 'aeio' else 'a'} {colour} background"


def background(picture: np.ndarray) -> str:
    """The name of the colour nearest, in RGB, to the median over the four corner squares of an eighth of the side."""
    side = len(picture) // 8
    corners = [picture[rows, columns] for rows in _ends(side) for columns in _ends(side)]
    colour = np.median(np.concatenate([corner.reshape(-1, 3) for corner in corners]), axis=0)
    return min(COLOURS, key=lambda name: float(np.sum((colour - COLOURS[name]) ** 2)))


def diversity(paint: Painter, pictures: PictureSet, seed: int) -> Measure:
    """How far apart the pictures of one prompt are; the pictures of different prompts give the scale."""
    popular = sum(subject.popular for subject in pictures.subjects)
    subjects = choose(pictures, min(DIVERSE, popular))
    wishes = [Wish(pictures.subjects[index].label, seed + place) for index in subjects for place in range(SEEDS)]
    painted = paint(wishes).astype(np.float32).reshape(len(subjects), SEEDS, -1)
    within = float(np.mean([mean_difference(row) for row in painted]))
    rule = f"mean absolute difference between {SEEDS} seeds of one label, mean of {len(subjects)} labels"
    if len(subjects) > 1:
        rule += f"; between labels it is {mean_difference(painted[:, 0]):.1f}"
    return Measure("Seeds: difference of two pictures", within, "of 255", rule, low=2.5)


def mean_difference(rows: np.ndarray) -> float:
    """Mean absolute difference over all pairs of rows, [N, values]."""
    return float(np.mean([np.abs(one - other).mean() for one, other in itertools.combinations(rows, 2)]))


def speed(seconds: float, size: int, steps: int, device: str, threads: int) -> Measure:
    rule = f"one {size}x{size} picture, {steps} steps with CFG, on {device}, {threads} threads, the model loaded"
    return Measure("Speed: one picture", seconds, "s", rule, high=8)


def _ends(side: int) -> tuple[slice, slice]:
    return slice(None, side), slice(-side, None)


def _percent(hits: np.ndarray) -> float:
    return 100 * float(np.mean(hits))
