"""Pictures for wishes, made by the engine as users get them, and kept until the evaluation is complete."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import logging
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from modules.core.errors import UserError
from modules.core.files import write_atomic
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.processing.engine import Engine
from modules.processing.models.catalog import CHECKPOINT
from modules.processing.options import CONDITIONING_CACHE_MB, PREVIEWS
from modules.processing.plan import Plan
from modules.processing.requests import After, Generate, Prompt, Sampling, Seed, Shape

BATCH = 8
TIMED = 3  # pictures painted alone to take the time
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wish:
    prompt: str
    seed: int


Painter = Callable[[Sequence[Wish]], np.ndarray]  # gives uint8 RGB, [N, size, size, 3]


class EnginePainter:
    """A model folder behind an engine of its own, whose files go to `work`. Its pictures have the model's own size."""

    def __init__(self, model: Path, work: Path, sampling: Sampling) -> None:
        self.model, self.sampling = model.resolve(), sampling
        self.size = native_size(self.model)
        paths = Paths(data=work, models=work / "models", extra_checkpoints=(self.model.parent,))
        values = {CHECKPOINT.key: self.model.name, PREVIEWS.key: False, CONDITIONING_CACHE_MB.key: 0}
        self._engine = Engine(paths, Settings(values=values), hashing=False)

    def __call__(self, wishes: Sequence[Wish]) -> np.ndarray:
        """All wishes in one batch."""
        return np.stack([_take(Path(one.path)) for one in self._engine.run_plan(self.plan(wishes)).pictures])

    def plan(self, wishes: Sequence[Wish]) -> Plan:
        """Each wish is resolved as a request of its own; their pictures then make one batch."""
        plans = [self._engine.resolve(self._request(wish)) for wish in wishes]
        found = plans[0].model.checkpoint.path.resolve()
        if found != self.model:
            raise UserError(f"{self.model.name!r} is also the name of {found}.", hint="Rename the folder to measure.")
        request = plans[0].request
        shape = dataclasses.replace(request.shape, batch_size=len(plans))
        return dataclasses.replace(
            plans[0],
            request=dataclasses.replace(request, shape=shape),
            pictures=tuple(picture for one in plans for picture in one.pictures),
        )

    def seconds(self, wish: Wish) -> float:
        """Of one request for one picture, the text read anew; the median of a few, the model already loaded."""
        self([wish])
        taken = []
        for _ in range(TIMED):
            begun = time.perf_counter()
            self._engine.run(self._request(wish))
            taken.append(time.perf_counter() - begun)
        return statistics.median(taken)

    def _request(self, wish: Wish) -> Generate:
        return Generate(
            prompt=Prompt(positive=wish.prompt),
            shape=Shape(width=self.size, height=self.size),
            seed=Seed(seed=wish.seed),
            sampling=self.sampling,
            after=After(save=False, grid=False),
        )


class KeptPainter:
    """Paints in batches through `paint` and keeps each picture in `folder`: what was painted once is read back."""

    def __init__(self, paint: Painter, folder: Path) -> None:
        self._paint, self._folder = paint, folder

    def __call__(self, wishes: Sequence[Wish]) -> np.ndarray:
        missing = [wish for wish in wishes if not self._file(wish).is_file()]
        begun = time.monotonic()
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            for wish, picture in zip(batch, self._paint(batch), strict=True):
                buffer = io.BytesIO()
                Image.fromarray(picture).save(buffer, "PNG")
                write_atomic(self._file(wish), buffer.getvalue())
            done = start + len(batch)
            left_s = (time.monotonic() - begun) / done * (len(missing) - done)
            log.info("%d of %d pictures, about %.0f minutes left", done, len(missing), left_s / 60)
        return np.stack([_read(self._file(wish)) for wish in wishes])

    def _file(self, wish: Wish) -> Path:
        return self._folder / f"{hashlib.sha256(wish.prompt.encode()).hexdigest()[:16]}-{wish.seed}.png"


def native_size(model: Path) -> int:
    """Pixels a side of the pictures that a diffusers folder was trained for."""
    try:
        unet, vae = (json.loads((model / part / "config.json").read_text("utf-8")) for part in ("unet", "vae"))
    except FileNotFoundError as error:
        raise UserError(f"There is no {error.filename}.", hint="Name the folder of a finished model.") from None
    return int(unet["sample_size"]) * 2 ** (len(vae["block_out_channels"]) - 1)


def weights_hash(model: Path) -> str:
    """Of all files in the model's parts: weights, configs, tokenizer. Not of its card and notes."""
    digest = hashlib.sha256()
    for file in sorted(one for one in model.glob("*/*") if one.is_file()):
        digest.update(file.relative_to(model).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _take(path: Path) -> np.ndarray:
    picture = _read(path)
    path.unlink()
    return picture
