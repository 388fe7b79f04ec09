"""A merge from request to file. Reads and writes tensor by tensor; stops between tensors when told to."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from modules.processing.merging import checkpoints, recipe
from modules.processing.merging.check import check_sources, networks_of, pair_of, sources_of
from modules.processing.merging.extract import extract
from modules.processing.merging.networks import Changes, combine
from modules.processing.merging.parts import Parts
from modules.processing.merging.request import ExtractNetwork, MergeCheckpoints, MergeNetworks, MergeRequest, Saving
from modules.processing.merging.sources import PARTS, needs_folder, open_model, open_vae
from modules.processing.merging.studio import Studio
from modules.processing.models.catalog import ModelCatalog, ModelFile
from modules.processing.models.families import families
from modules.processing.models.original import joined, parted
from modules.processing.models.tensor_files import Spec, TensorFile, Tensors, write_tensors
from modules.processing.networks.files import NetworkFile
from modules.processing.progress import Control, Progress, Report, no_report

TOLD_EVERY_S = 0.3


@dataclass(frozen=True)
class Merged:
    """`notes`: what a person should know of the result."""

    path: Path
    bytes: int
    notes: tuple[str, ...] = ()


def merge(
    studio: Studio, request: MergeRequest, *, control: Control | None = None, report: Report = no_report
) -> Merged:
    """Make and save what is asked for, beside its like: a checkpoint or a LoRA. May raise Interrupted."""
    check_sources(studio, request)
    tell = _Teller(control or Control(), report)
    match request:
        case MergeCheckpoints():
            made = _merge_checkpoints(studio, request, tell)
            studio.catalog.refresh()
        case MergeNetworks():
            made = _merge_networks(studio, request)
            studio.networks.refresh()
        case ExtractNetwork():
            made = _extract(studio, request, tell)
            studio.networks.refresh()
    return made


def _merge_checkpoints(studio: Studio, request: MergeCheckpoints, tell: _Teller) -> Merged:
    files = sources_of(studio.catalog, request)
    why = needs_folder(files[0])
    opened = [open_model(one, as_folder=bool(why)) for one in files]
    vae = _vae(studio.catalog, request.vae, files[0], as_folder=bool(why))
    change, notes = _changes(studio, request, files[0], opened[0])
    made = checkpoints.merge(request, opened[0], tuple(opened[1:]), vae, change)
    name = recipe.result_name(request, files)
    path = recipe.free_path(studio.paths.checkpoints[0], name, "" if why else ".safetensors")
    tell.whole = sum(one.bytes for one in made.specs.values())
    if why:
        _write_folder(path, files[0].path, made, tell)
        notes = [*notes, f"Saved as a folder, since {why}."]
    else:
        theirs = [TensorFile(one.path).metadata if one.path.is_file() else {} for one in files]
        write_tensors(
            path, made.specs, tell.watched(made.get), recipe.checkpoint_metadata(request, files, theirs, path.stem)
        )
        config = recipe.config_beside(request, files)
        if config is not None:
            shutil.copyfile(config, path.with_suffix(".yaml"))
    return Merged(path, tell.whole, tuple(notes))


def _changes(
    studio: Studio, request: MergeCheckpoints, primary: ModelFile, opened: Tensors
) -> tuple[checkpoints.Change | None, list[str]]:
    """What the networks change, by the names of the result."""
    if not request.networks:
        return None, []
    wanted = list(zip(networks_of(studio, request.networks, family=primary.family), request.networks))
    parts = Parts(primary)
    changes = Changes(wanted, parts.specs, parts.unet)
    pieces = parts.pieces_of(opened)

    def change(name: str, value: Tensor) -> Tensor:
        made_of = pieces.get(name)
        if made_of is None:
            return value
        values = [changes(f"{one.part}/{one.name}", inner) for one, inner in zip(made_of, parted(made_of, value))]
        return joined(made_of, values)

    return change, changes.notes


def _merge_networks(studio: Studio, request: MergeNetworks) -> Merged:
    files = networks_of(studio, request.networks)
    family = families.get(files[0].family or "sd1")
    tensors = combine(list(zip(files, request.networks)), family, request.rank, request.conv_rank)
    name = request.saving.name or recipe.networks_name(request.networks)
    return _save_network(studio, request.saving, tensors, files, name)


def _extract(studio: Studio, request: ExtractNetwork, tell: _Teller) -> Merged:
    files = pair_of(studio.catalog, request)
    tensors = extract(request, Parts(files[0]), Parts(files[1]), tell.share)
    return _save_network(studio, request.saving, tensors, files[:1], request.saving.name or f"{files[0].stem}-lora")


def _save_network(
    studio: Studio,
    saving: Saving,
    tensors: dict[str, Tensor],
    files: Sequence[ModelFile | NetworkFile],
    name: str,
) -> Merged:
    dtype = checkpoints.PRECISIONS.get(saving.precision, torch.float16)
    stored = {name: one.to(dtype).contiguous() for name, one in tensors.items()}
    path = recipe.free_path(studio.paths.networks[0], name, ".safetensors")
    rank = max(one.shape[0] for name, one in stored.items() if name.endswith("lora_down.weight"))
    metadata = recipe.network_metadata(files[0], rank, path.stem, [one.path.stem for one in files])
    specs = {name: Spec(one.dtype, tuple(one.shape)) for name, one in sorted(stored.items())}
    write_tensors(path, specs, stored.__getitem__, metadata | dict(saving.extra))
    return Merged(path, sum(one.bytes for one in specs.values()))


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
    """Says how far the work is, and asks now and then whether to stop. `whole`: bytes that will be written."""

    def __init__(self, control: Control, report: Report) -> None:
        self.whole = 0
        self._control, self._report = control, report
        self._done, self._told = 0, 0.0

    def share(self, fraction: float) -> None:
        self._control.check()
        if time.monotonic() - self._told > TOLD_EVERY_S:
            self._told = time.monotonic()
            self._report(Progress(fraction=min(1.0, fraction), stage="merge"))

    def watched(self, get: Callable[[str], Tensor]) -> Callable[[str], Tensor]:
        def watched(name: str) -> Tensor:
            self.share(self._done / max(1, self.whole))
            value = get(name)
            self._done += value.numel() * value.element_size()
            return value

        return watched
