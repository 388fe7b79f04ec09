"""Pictures composed from emoji, with the facts a caption can tell; all of it a function of seeds."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from modules.core.errors import UserError
from modules.training.config import Data
from modules.training.datasets.fluent_emoji import FLAGS, PEOPLE, SYMBOLS, PictureSet
from modules.training.datasets.mirroring import may_mirror
from modules.training.randomness import numpy_generator

COLOURS: dict[str, tuple[int, int, int]] = {
    "white": (255, 255, 255),
    "red": (220, 45, 45),
    "orange": (245, 140, 30),
    "yellow": (250, 215, 60),
    "green": (60, 165, 75),
    "blue": (55, 110, 225),
    "purple": (135, 70, 190),
    "pink": (250, 160, 195),
    "brown": (125, 80, 50),
    "grey": (140, 140, 145),
    "black": (18, 18, 22),
}
PLAIN = "white"
PLACES: dict[
    str, tuple[float, float]
] = {  # words, and where a half-size subject then begins: left, top of the free room
    "on the left": (0.0, 0.5),
    "on the right": (1.0, 0.5),
    "at the top": (0.5, 0.0),
    "at the bottom": (0.5, 1.0),
    "in the middle": (0.5, 0.5),
}


@dataclass(frozen=True)
class Scene:
    """One or two subjects (indices into the set, left to right) on a named background.

    `blend` is the colour that the background turns into towards the bottom; `place` shows one subject small, there.
    """

    subjects: tuple[int, ...]
    background: str = PLAIN
    blend: str = ""
    place: str = ""
    mirrored: bool = False

    @property
    def plain(self) -> bool:
        return len(self.subjects) == 1 and self.background == PLAIN and not self.blend and not self.place


def make_scenes(pictures: PictureSet, data: Data, seed: int) -> list[Scene]:
    """Every subject plain, then each on some coloured backgrounds, then popular ones blended, placed and in pairs.

    Variants come plain only, and only if a share of the draws is theirs. Mirrored scenes come last.
    """
    if data.variants_share and not any(subject.variant_of for subject in pictures.subjects):
        raise UserError(
            f"data.variants_share is {data.variants_share}, but the set in {Path(data.folder).name} has no variants.",
            hint="Build it with: python -m modules.training.datasets.fluent_emoji --variants",
            field="data.variants_share",
        )
    _check_focus(data.focus, [one.label for one in pictures.subjects if not one.variant_of])
    generator = numpy_generator(seed, "scenes")
    colours = [name for name in COLOURS if name != PLAIN]
    shown = [index for index, one in enumerate(pictures.subjects) if data.variants_share or not one.variant_of]
    scenes = [Scene((index,)) for index in shown]
    for index, subject in enumerate(pictures.subjects):
        if subject.variant_of:
            continue
        wanted = min(len(colours), data.colours if subject.popular else data.rare_colours)
        scenes += [Scene((index,), str(name)) for name in generator.permutation(colours)[:wanted]]
    popular = [index for index, subject in enumerate(pictures.subjects) if subject.popular]
    for _ in range(data.blends):
        top, bottom = generator.choice(list(COLOURS), 2, replace=False)
        scenes.append(Scene((int(generator.choice(popular)),), str(top), blend=str(bottom)))
    for _ in range(data.placed):
        place = str(generator.choice(list(PLACES)))
        scenes.append(Scene((int(generator.choice(popular)),), _white_or_coloured(generator), place=place))
    for _ in range(data.pairs):
        left, right = generator.choice(popular, 2, replace=False)
        scenes.append(Scene((int(left), int(right)), _white_or_coloured(generator)))
    if data.flips:
        scenes += [replace(scene, mirrored=True) for scene in scenes if _may_mirror(scene, pictures)]
    return scenes


def _check_focus(focus: Sequence[str], labels: Sequence[str]) -> None:
    unknown = [label for label in focus if label not in labels]
    if unknown:
        close = difflib.get_close_matches(unknown[0], labels, n=3, cutoff=0.5)
        raise UserError(
            f"data.focus names {unknown[0]!r}, which is no label of the set ({len(unknown)} of {len(focus)} are not).",
            hint=f"Did you mean {' or '.join(map(repr, close))}?" if close else "The labels are in subjects.json.",
            field="data.focus",
        )


def _may_mirror(scene: Scene, pictures: PictureSet) -> bool:
    """Not pairs and places, which tell sides, nor symbols, which are mostly writing."""
    subject = pictures.subjects[scene.subjects[0]]
    alone = len(scene.subjects) == 1 and not scene.place and subject.group not in (SYMBOLS, FLAGS)
    return alone and may_mirror(subject.label, *subject.tags)


def _white_or_coloured(generator: np.random.Generator) -> str:
    return PLAIN if generator.random() < 0.5 else str(generator.choice([name for name in COLOURS if name != PLAIN]))


def weights(scenes: list[Scene], pictures: PictureSet, data: Data) -> np.ndarray:
    """Probability of drawing each scene, [len(scenes)]; people and symbols among the rest count less.

    All variants together have `variants_share`, in which what they are variants of counts alike.
    """
    kinds: dict[tuple[bool, bool], list[int]] = {}
    variants: dict[str, list[int]] = {}
    raw = np.ones(len(scenes))
    for index, scene in enumerate(scenes):
        subject = pictures.subjects[scene.subjects[0]]
        if subject.variant_of:
            variants.setdefault(subject.variant_of, []).append(index)
            continue
        popular = subject.label in data.focus if data.focus else subject.popular
        kinds.setdefault((popular, scene.plain), []).append(index)
        if not popular and subject.group in (PEOPLE, SYMBOLS):
            raw[index] = 0.25
    for (popular, plain), members in kinds.items():
        share = data.popular_share if popular else 1 - data.popular_share
        share *= data.plain_share if plain else 1 - data.plain_share
        raw[members] *= share / raw[members].sum()
    if variants:
        rest = sum(raw[members].sum() for members in kinds.values())
        for members in variants.values():
            raw[members] = rest * data.variants_share / (1 - data.variants_share) / len(variants) / len(members)
    return raw / raw.sum()


def draw(scene: Scene, pictures: PictureSet) -> np.ndarray:
    """The scene as uint8 RGB, [size, size, 3]."""
    size = pictures.size
    canvas = np.empty((size, size, 3), np.float32)
    down = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    canvas[:] = (1 - down) * COLOURS[scene.background] + down * COLOURS[scene.blend or scene.background]
    if len(scene.subjects) == 1 and not scene.place:
        picture = pictures.pictures[scene.subjects[0]]
        return over(picture[:, ::-1] if scene.mirrored else picture, canvas)
    half = size // 2
    places = [PLACES[scene.place]] if scene.place else [(0.0, 0.5), (1.0, 0.5)]
    for (left, top), subject in zip(places, scene.subjects):
        small = np.asarray(Image.fromarray(pictures.pictures[subject]).resize((half, half), Image.Resampling.BOX))
        row, column = int(top * half), int(left * half)
        box = (slice(row, row + half), slice(column, column + half))
        canvas[box] = over(small, canvas[box])
    return np.round(canvas).astype(np.uint8)


def over(picture: np.ndarray, background: np.ndarray) -> np.ndarray:
    """RGBA uint8 over RGB of the same size, as uint8."""
    alpha = picture[..., 3:].astype(np.float32) / 255
    return np.round(picture[..., :3] * alpha + background * (1 - alpha)).astype(np.uint8)


def caption(scene: Scene, pictures: PictureSet, generator: np.random.Generator) -> str:
    """One of the ways to say what the scene shows; mostly the plain label."""
    subjects = [pictures.subjects[index] for index in scene.subjects]
    if len(subjects) == 2:
        text = f"{_article(subjects[0].label)} and {_article(subjects[1].label)}"
    elif scene.place:
        text = f"{_article('small')} {subjects[0].label} {scene.place}"
    else:
        text = _one(subjects[0].label, subjects[0].tags, generator)
    if scene.blend:
        return f"{text} on {_article(scene.background)} to {scene.blend} gradient background"
    if scene.background != PLAIN or generator.random() < 0.1:
        return f"{text} on {_article(scene.background)} background"
    return text


def _one(label: str, tags: tuple[str, ...], generator: np.random.Generator) -> str:
    chance = generator.random()
    if chance < 0.55:
        return label
    if chance < 0.65:
        return _article(label)
    if chance < 0.75:
        return f"a 3D emoji of {_article(label)}"
    if chance < 0.85:
        return f"{label} emoji"
    if tags and chance < 0.95:
        return f"{label}, {tags[int(generator.integers(len(tags)))]}"
    return f"a picture of {_article(label)}"


def _article(name: str) -> str:
    return f"an {name}" if name[0].lower() in "aeio" else f"a {name}"
