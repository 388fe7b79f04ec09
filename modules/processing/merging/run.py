"""A merge from request to file. Reads and writes tensor by tensor; stops between tensors when told to."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor

from modules.core.errors import UserError
from modules.core.paths import Paths
from modules.processing.merging import checkpoints, recipe
from modules.processing.merging.request import MergeCheckpoints
from modules.processing.merging.sources import PARTS, needs_folder, open_model, open_vae
from modules.processing.models.catalog import ModelCatalog, ModelFile
from modules.processing.models.families import families
from modules.processing.models.tensor_files import Spec, TensorFile, Tensors, write_tensors
from modules.processing.progress import Control, Progress, Report, no_report

TOLD_EVERY_S = 0.3


class Studio(Protocol):
    """The part of modules.processing.engine.Engine that is used here."""

    paths: Paths
    catalog: ModelCatalog


@dataclass(frozen=True)
class Merged:
    """`notes`: what a person should know of the result."""

    path: Path
    bytes: int
    notes: tuple[str, ...] = ()


def merge_checkpoints(
    studio: Studio, request: MergeCheckpoints, *, control: Control | None = None, report: Report = no_report
) -> Merged:
    """The merged checkpoint in the first checkpoints folder. May raise Interrupted."""
    files = sources_of(studio.catalog, request)
    why = needs_folder(files[0])
    opened = [open_model(one, as_folder=bool(why)) for one in files]
    vae = _vae(studio.catalog, request.vae, files[0], as_folder=bool(why))
    made = checkpoints.merge(request, opened[0], tuple(opened[1:]), vae)
    name = recipe.result_name(request, files)
    path = recipe.free_path(studio.paths.checkpoints[0], name, "" if why else ".safetensors")
    tell = _Teller(control or Control(), report, made.specs)
    if why:
        _write_folder(path, files[0].path, made, tell)
        notes = (f"Saved as a folder, since {why}.",)
    else:
        theirs = [TensorFile(one.path).metadata if one.path.is_file() else {} for one in files]
        metadata = recipe.checkpoint_metadata(request, files, theirs, path.stem)
        write_tensors(path, made.specs, tell.watched(made.get), metadata)
        notes = ()
    config = recipe.config_beside(request, files)
    if config is not None and not why:
        shutil.copyfile(config, path.with_suffix(".yaml"))
    studio.catalog.refresh()
    return Merged(path, sum(one.bytes for one in made.specs.values()), notes)


def sources_of(catalog: ModelCatalog, request: MergeCheckpoints) -> list[ModelFile]:
    """A, B and C as the method needs them; UserError when they cannot be merged, from their headers alone."""
    count = {"none": 1, "weighted_sum": 2, "add_difference": 3}[request.method]
    wanted = {"primary": request.primary, "secondary": request.secondary, "tertiary": request.tertiary}
    files: list[ModelFile] = []
    for field, name in list(wanted.items())[:count]:
        found = catalog.find_checkpoint(name)
        if found.broken:
            raise UserError(f"{found.name}: {found.broken}", field=field)
        if files and found.family != files[0].family:
            labels = [families.get(one.family).label for one in (found, files[0])]
            raise UserError(
                f"{found.name} is {labels[0]}, but {files[0].name} is {labels[1]}.",
                hint="Only models of one family can be merged.",
                field=field,
            )
        files.append(found)
    return files


def _vae(catalog: ModelCatalog, name: str, primary: ModelFile, *, as_folder: bool) -> Tensors | None:
    return open_vae(catalog.find_vae(name), families.get(primary.family), as_folder=as_folder) if name else None


def _write_folder(path: Path, like: Path, made: checkpoints.Result, tell: _Teller) -> None:
    """A folder with the configs of `like`, whole or not there."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        shutil.copytree(like, beside, ignore=_all_but_configs)
        for part in PARTS:
            inner = {name: spec for name, spec in made.specs.items() if name.startswith(f"{part}/")}
            if inner:
                file = "model.safetensors" if part.startswith("text") else "diffusion_pytorch_model.safetensors"
                specs = {name.partition("/")[2]: spec for name, spec in inner.items()}
                get = tell.watched(lambda name, part=part: made.get(f"{part}/{name}"))
                write_tensors(beside / part / file, specs, get, {"format": "pt"})
        beside.rename(path)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _all_but_configs(folder: str, names: list[str]) -> list[str]:
    """Names that copytree is to leave out: weights, pictures, texts for people."""
    kept = [name for name in names if name.endswith((".json", ".txt")) and not name.endswith(".safetensors.index.json")]
    return [name for name in names if name not in kept and not Path(folder, name).is_dir()]


class _Teller:
    """Says how far the writing is, and asks between tensors whether to stop."""

    def __init__(self, control: Control, report: Report, specs: Mapping[str, Spec]) -> None:
        self._control, self._report = control, report
        self._whole, self._done, self._told = sum(one.bytes for one in specs.values()), 0, 0.0

    def watched(self, get: Callable[[str], Tensor]) -> Callable[[str], Tensor]:
        def watched(name: str) -> Tensor:
            self._control.check()
            value = get(name)
            self._done += value.numel() * value.element_size()
            if time.monotonic() - self._told > TOLD_EVERY_S:
                self._told = time.monotonic()
                self._report(Progress(fraction=min(1.0, self._done / max(1, self._whole)), stage="merge"))
            return value

        return watched
