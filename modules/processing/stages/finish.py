"""From finished images to files: names, papers, the grid, and the events that tell of them."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import torch
from PIL import Image

from modules.core.files import write_atomic
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.imaging import saving
from modules.imaging.grids import image_grid
from modules.imaging.metadata import Papers
from modules.imaging.names import NameContext
from modules.processing import options
from modules.processing.hooks import FinishedImage
from modules.processing.memory import device_name
from modules.processing.papers import infotext_fields, picture_request, write_infotext
from modules.processing.plan import PicturePlan, Plan
from modules.processing.progress import Picture, Report
from modules.processing.requests import Generate, Noise


def environment() -> dict[str, object]:
    """What may change a picture's last bits: told in its papers, compared when it is made again."""
    return {
        "torch": torch.__version__,
        "device": device_name(),
        "processor": platform.machine(),
        "threads": torch.get_num_threads(),
    }


@dataclass(kw_only=True)
class Finisher:
    """Takes the pictures of one run as they come; `done` adds the grid and gives all of them."""

    plan: Plan
    settings: Settings
    paths: Paths
    report: Report
    pictures: list[Picture] = field(default_factory=list)
    _images: list[Image.Image] = field(default_factory=list)
    _started: datetime = field(default_factory=datetime.now)

    def add(self, finished: FinishedImage, *, batch: int, offset: int, complete: bool) -> None:
        """Save one picture and tell of it. An incomplete one is kept with the job unless a setting saves it."""
        picture = self.plan.pictures[finished.index]
        infotext = write_infotext(picture, finished.fields)
        save = self.plan.request.after.save and self.settings[saving.SAMPLES_SAVE]
        save = save and (complete or self.settings[options.SAVE_INCOMPLETE])
        papers = Papers(infotext=infotext, request=self._request(self.plan.batch_request(batch), offset))
        path = self._write(finished.image, self._name(picture, finished.index), papers, save=save)
        if complete:
            self._images.append(finished.image)
            if save and self.settings[options.LAST_INFOTEXT]:
                write_atomic(self.paths.params, infotext)
        self._tell(path, finished.image, picture, infotext, saved=save)

    def add_first_pass(self, images: Sequence[Image.Image], batch: int) -> None:
        """Save what a second pass goes on from, beside the pictures."""
        size = self.plan.request.shape.batch_size
        for offset, image in enumerate(images):
            index = batch * size + offset
            picture = self.plan.pictures[index]
            infotext = write_infotext(picture, infotext_fields(replace(self.plan, hires=None), picture, self.settings))
            name = self._name(picture, index)
            self._write(image, name, Papers(infotext=infotext), save=True, suffix="-before-highres-fix")

    def done(self) -> list[Picture]:
        """All pictures; the grid comes first, as A1111's index_of_first_image says."""
        settings, after = self.settings, self.plan.request.after
        enough = len(self._images) > (1 if settings[saving.GRID_IF_MULTIPLE] else 0)
        if enough and after.grid and settings[saving.GRID_SAVE]:
            first = self.plan.pictures[0]
            grid = image_grid(self._images, batch_size=self.plan.request.shape.batch_size, settings=settings)
            infotext = self.pictures[0].infotext
            name = replace(self._name(first, 0), seed_last=self.plan.pictures[-1].seed)
            path = self._write(grid, name, Papers(infotext=infotext), save=after.save, grid="grid")
            if settings[saving.RETURN_GRID]:
                self._tell(path, grid, first, infotext, saved=after.save, kind="grid")
                self.pictures.insert(0, self.pictures.pop())
        return self.pictures

    def add_own(self, image: Image.Image, infotext: str, index: int, whole: Generate, grid: str = "") -> Picture:
        """Save a picture that a script made, and tell of it. `grid`: it is a sheet, saved as <grid>-<number>.

        It is the picture `index` of what `whole` makes, which has that script.
        """
        after, first = self.plan.request.after, self.plan.pictures[0]
        save = after.save and (
            (after.grid and self.settings[saving.GRID_SAVE]) if grid else self.settings[saving.SAMPLES_SAVE]
        )
        papers = Papers(infotext=infotext, request=self._request(whole, index))
        path = self._write(image, self._name(first, 0), papers, save=save, grid=grid)
        self._tell(path, image, first, infotext, saved=save, kind="grid" if grid else "sample")
        return self.pictures[-1]

    def _request(self, request: Generate, index: int) -> str | None:
        if not self.settings[options.ADD_REQUEST]:
            return None
        return picture_request(self.plan, request, index, {**environment(), "mode": self.plan.model.mode})

    def _tell(
        self,
        path: Path,
        image: Image.Image,
        picture: PicturePlan,
        infotext: str,
        *,
        saved: bool,
        kind: str = "sample",
    ) -> None:
        told = Picture(
            path=str(path),
            infotext=infotext,
            seed=picture.seed,
            variation_seed=picture.variation,
            width=image.width,
            height=image.height,
            kind=kind,
            saved=saved,
        )
        self.pictures.append(told)
        self.report(told)

    def _write(
        self,
        image: Image.Image,
        name: NameContext,
        papers: Papers,
        *,
        save: bool,
        grid: str = "",
        suffix: str = "",
    ) -> Path:
        chosen, after = saving.SaveOptions.from_settings(self.settings, grid=bool(grid)), self.plan.request.after
        tab = "txt2img" if isinstance(self.plan.request.source, Noise) else "img2img"
        usual = saving.output_folder(self.settings, self.paths.data, grid=bool(grid), tab=tab)
        folder = usual if save else self.paths.results
        if save and after.folder and not grid:
            folder, chosen = self.paths.data / after.folder, replace(chosen, folder_pattern="")
        if not save:
            chosen = replace(chosen, folder_pattern="", save_txt=False)
        if after.name and not grid:
            pattern = "[basename]-[generation_number]" if len(self.plan.pictures) > 1 else "[basename]"
            name = replace(name, basename=after.name)
            # a picture that was worked on may lie in that folder under the same name
            chosen = replace(chosen, pattern=pattern, add_number=False, on_existing="Add number suffix")
        return saving.save_picture(image, folder, name=name, papers=papers, options=chosen, suffix=suffix, grid=grid)

    def _name(self, picture: PicturePlan, index: int) -> NameContext:
        plan = self.plan
        shape, model = plan.request.shape, plan.model
        several = len(plan.pictures) > 1
        return NameContext(
            seed=picture.seed,
            seed_first=plan.pictures[0].seed,
            seed_last=plan.pictures[-1].seed if several else None,
            steps=plan.sampling.steps,
            cfg=plan.guidance.cfg_scale,
            width=shape.width,
            height=shape.height,
            clip_skip=plan.text.clip_skip,
            sampler=plan.sampling.sampler,
            schedule=plan.sampling.schedule,
            model_name=model.checkpoint.stem,
            model_hash=model.checkpoint.short_hash or "",
            vae=model.vae.path.name if model.vae else "",
            prompt=picture.prompt,
            negative=picture.negative,
            batch_number=index % shape.batch_size + 1 if shape.batch_size > 1 else None,
            batch_size=shape.batch_size,
            generation_number=index + 1 if several else None,
            time=self._started,
            job_timestamp=time.strftime("%Y%m%d%H%M%S", self._started.timetuple()),
        )
