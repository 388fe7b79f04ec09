"""Scenes of the emoji set as a source of stage 2."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache

import numpy as np

from modules.training.buckets import Size
from modules.training.config import Data
from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.datasets.scenes import COLOURS, caption, draw, make_scenes, weights

DRAWING = 1  # raise it when `draw` makes other pictures of the same scenes
VALIDATION_SCENES = 32


class EmojiScenes:
    """Items 0 to N - 1 are the subjects themselves, plain."""

    def __init__(self, pictures: PictureSet, data: Data, seed: int) -> None:
        self.pictures = pictures
        self.scenes = make_scenes(pictures, data, seed)
        self.weights = weights(self.scenes, pictures, data)
        self.sizes: Sequence[Size] = [(pictures.size, pictures.size)] * len(self.scenes)
        popular = [index for index, one in enumerate(pictures.subjects) if one.popular] or [0]
        self.validation = popular[:: max(1, len(popular) // VALIDATION_SCENES)][:VALIDATION_SCENES]
        self._subject_key = cache(lambda index: hashlib.sha256(pictures.pictures[index].tobytes()).hexdigest())

    def picture(self, item: int) -> np.ndarray:
        return draw(self.scenes[item], self.pictures)

    def key(self, item: int) -> str:
        scene = self.scenes[item]
        colours = [COLOURS[name] for name in (scene.background, scene.blend) if name]
        subjects = [self._subject_key(index) for index in scene.subjects]
        told = [DRAWING, self.pictures.size, colours, subjects, {**asdict(scene), "subjects": ()}]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def caption(self, item: int, generator: np.random.Generator) -> str:
        return caption(self.scenes[item], self.pictures, generator)

    def label(self, item: int) -> str:
        return self.pictures.subjects[self.scenes[item].subjects[0]].label
