"""A server of the page over a small engine that paints gradients in two seconds.

By hand: `python fake_services.py PORT FOLDER`. The queue is a stand-in with the members that the page uses.
"""

from __future__ import annotations

import io
import secrets
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from modules.core.errors import NotFoundError, UserError
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.gradio_ui.services import UiServices
from modules.imaging.inputs import PictureStore
from modules.processing.engine import EngineStatus
from modules.processing.models.catalog import ModelCatalog, ModelFile
from modules.processing.models.hashes import HashCache
from modules.processing.networks.embeddings import EmbeddingFiles
from modules.processing.networks.files import NetworkFiles
from modules.processing.progress import Picture, Preview, Progress
from modules.processing.requests import Generate


@dataclass
class FakeJob:
    id: str
    kind: str
    request: dict[str, Any]
    tag: str
    state: str = "queued"
    created: float = field(default_factory=time.time)
    started: float | None = None
    finished: float | None = None
    error: Any = None
    result: Any = None
    requeued: bool = False


@dataclass
class Snapshot:
    progress: Progress | None = None
    preview: Preview | None = None
    pictures: tuple[Picture, ...] = ()


class FakeQueue:
    """Jobs in memory, one worker thread."""

    def __init__(self, folder: Path, step_s: float = 0.1) -> None:
        self.folder, self.step_s = folder, step_s
        self.jobs: dict[str, FakeJob] = {}
        self.shots: dict[str, Snapshot] = {}
        self.stop: set[str] = set()
        self.wake = threading.Event()
        threading.Thread(target=self.work, daemon=True).start()

    def submit(self, kind: str, request: dict[str, Any], *, tag: str = "", id: str | None = None) -> FakeJob:
        id = id or secrets.token_hex(16)
        if id not in self.jobs:
            self.jobs[id], self.shots[id] = FakeJob(id, kind, request, tag), Snapshot()
            self.wake.set()
        return self.jobs[id]

    def get(self, id: str) -> FakeJob:
        if id not in self.jobs:
            raise NotFoundError(f"There is no job {id}.")
        return self.jobs[id]

    def list(self) -> list[FakeJob]:
        return list(self.jobs.values())

    def counts(self) -> dict[str, int]:
        states = [one.state for one in self.jobs.values()]
        return {state: states.count(state) for state in set(states)}

    def snapshot(self, id: str) -> Snapshot:
        self.get(id)
        return self.shots[id]

    def interrupt_smart(self, id: str) -> None:
        self.stop.add(id)

    skip = interrupt_smart

    def cancel(self, id: str) -> None:
        self.get(id).state = "cancelled"

    def retry(self, id: str) -> FakeJob:
        return self.submit("generate", self.get(id).request, tag=self.get(id).tag)

    def move(self, id: str, places: int) -> None:
        ids = [*self.jobs]
        at = ids.index(id)
        ids.insert(max(0, at + places), ids.pop(at))
        self.jobs = {one: self.jobs[one] for one in ids}

    def clear(self) -> None:
        self.jobs = {id: one for id, one in self.jobs.items() if one.state in ("queued", "running")}

    def work(self) -> None:
        while True:
            self.wake.wait(0.2)
            self.wake.clear()
            for job in self.list():
                if job.state == "queued":
                    self.run(job)

    def run(self, job: FakeJob) -> None:
        request = Generate.from_json(job.request)
        job.state, job.started = "running", time.time()
        shot = self.shots[job.id]
        if "fail" in request.prompt.positive:
            job.error = {"message": "The decoded picture was not a number.", "hint": "Try fp32.", "stage": "decode"}
            job.state = "failed"
            return
        count, steps = request.shape.batch_count * request.shape.batch_size, request.sampling.steps
        for number in range(count):
            seed = (request.seed.seed if request.seed.seed >= 0 else secrets.randbelow(2**31)) + number
            for step in range(1, steps + 1):
                time.sleep(self.step_s)
                part = (number + step / steps) / count
                left = (1 - part) * count * steps * self.step_s
                shot.progress = Progress(
                    fraction=part, stage="denoise", step=step, steps=steps, image=number, images=count, eta_s=left
                )
                raw = io.BytesIO()
                paint(seed, 64, 64, step / steps).save(raw, "JPEG")
                shot.preview = Preview(data=raw.getvalue(), step=step)
                if job.id in self.stop:
                    job.state, job.finished = "interrupted", time.time()
                    return
            shot.pictures = (*shot.pictures, self.save(request, seed))
        job.result = {"seconds": time.time() - job.started, "peak_bytes": 3 * 2**30, "info": {"warnings": []}}
        job.state, job.finished = "done", time.time()

    def save(self, request: Generate, seed: int) -> Picture:
        shape, sampling = request.shape, request.sampling
        infotext = (
            f"{request.prompt.positive}\nNegative prompt: {request.prompt.negative}\nSteps: {sampling.steps}, "
            f"Sampler: {sampling.sampler}, Schedule type: {sampling.schedule}, CFG scale: {sampling.cfg_scale:g}, "
            f"Seed: {seed}, Size: {shape.width}x{shape.height}, Model: easel-mini, Version: Easel 0.1.0"
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{len(list(self.folder.iterdir())):05}-{seed}.png"
        paper = PngImagePlugin.PngInfo()
        paper.add_text("parameters", infotext)
        paint(seed, shape.width, shape.height, 1).save(path, pnginfo=paper)
        return Picture(
            path=str(path), infotext=infotext, seed=seed, variation_seed=0, width=shape.width, height=shape.height
        )


def paint(seed: int, width: int, height: int, part: float) -> Image.Image:
    """A dusk whose colours come from the seed, coming out of grey as `part` goes to 1."""
    tone = [(seed * factor) % 120 + 60 for factor in (7, 13, 29)]
    column = Image.linear_gradient("L").resize((width, height))
    ends = [tuple(int(128 + (one - 128) * part) for one in colour) for colour in (tone, [240, 180, 120])]
    bands = [column.point(lambda v, a=a, b=b: int(b + (a - b) * v / 255)) for a, b in zip(*ends)]
    return Image.merge("RGB", bands)


class FakeStyles:
    def __init__(self) -> None:
        self.found: dict[str, Any] = {}
        self.save("cinematic", "{prompt}, cinematic light, film grain", "flat")

    def names(self) -> list[str]:
        return [*self.found]

    def __contains__(self, name: object) -> bool:
        return name in self.found

    def get(self, name: str) -> Any:
        return self.found[name]

    def save(self, name: str, prompt: str, negative: str) -> None:
        self.found[name] = type("Style", (), {"name": name, "prompt": prompt, "negative": negative})()

    def delete(self, name: str) -> None:
        self.found.pop(name, None)

    def apply(self, prompt: str, negative: str, names: tuple[str, ...]) -> tuple[str, str]:
        for name in names:
            style = self.found[name]
            prompt = (
                style.prompt.replace("{prompt}", prompt) if "{prompt}" in style.prompt else f"{prompt}, {style.prompt}"
            )
            negative = ", ".join(one for one in (negative, style.negative) if one)
        return prompt, negative


class FakeCatalog:
    """An SD 1 model and an SDXL one; neither is on the disk."""

    def checkpoints(self) -> list[ModelFile]:
        kinds = {"easel-mini": ("sd1", "1a2b3c4d5e"), "landscapes.safetensors": ("sdxl", None)}
        return [
            ModelFile(kind="checkpoint", path=Path(name), name=name, family=family, sha256=sha256)
            for name, (family, sha256) in kinds.items()
        ]

    def vaes(self) -> list[ModelFile]:
        return [ModelFile(kind="vae", path=Path("soft.safetensors"), name="soft.safetensors")]

    def refresh(self) -> None: ...

    def find_checkpoint(self, name: str) -> ModelFile:
        for one in self.checkpoints():
            if one.title == name:
                return one
        raise NotFoundError(f"There is no checkpoint {name!r}.")

    def default(self, settings: Settings) -> ModelFile:
        return self.find_checkpoint(settings.get("sd_model_checkpoint") or self.checkpoints()[0].title)


class FakeUpscalers:
    def refresh(self) -> None: ...

    def names(self) -> list[str]:
        return ["None", "Lanczos", "Nearest"]


class FakeEngine:
    def __init__(self, inputs: Path = Path("inputs")) -> None:
        self.styles, self.catalog, self.upscalers = FakeStyles(), FakeCatalog(), FakeUpscalers()
        self.inputs = PictureStore(inputs)
        paths = Paths(data=inputs.parent, models=inputs.parent / "models")
        hashes = HashCache(paths.cache)
        self.networks, self.embeddings = NetworkFiles(paths, hashes), EmbeddingFiles(ModelCatalog(paths, hashes))

    def resolve(self, request: Generate) -> Generate:
        if request.shape.width % 8 or request.shape.height % 8:
            raise UserError("Width and height must be multiples of 8.", field="shape.width")
        return request

    def preload(self) -> None: ...

    def status(self) -> EngineStatus:
        return EngineStatus(
            state="ready",
            model="easel-mini [1a2b3c4d5e]",
            device="cpu",
            mode="fp32",
            memory_bytes=3 * 2**30,
            memory_total_bytes=24 * 2**30,
        )

    def count_tokens(self, prompt: str, styles: tuple[str, ...] = (), *, negative: bool = False) -> tuple[int, int]:
        used = len(prompt.replace(",", " ,").split())
        return used, max(75, -(-used // 75) * 75)


def fake_services(data: Path, step_s: float = 0.1) -> UiServices:
    paths = Paths(data=data, models=data / "models")
    settings = Settings(paths.config)
    return UiServices(
        engine=FakeEngine(data / "inputs"), queue=FakeQueue(data / "outputs", step_s), settings=settings, paths=paths
    )


def fake_app(services: UiServices) -> Any:
    from fastapi import FastAPI

    from modules.gradio_ui.app import build_ui, mount

    return mount(FastAPI(), build_ui(services), services)


if __name__ == "__main__":
    import uvicorn

    folder = Path(sys.argv[2])
    uvicorn.run(fake_app(fake_services(folder)), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
