"""Whether the files of a merge are there and go together, from their headers alone. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from modules.core.errors import NotFoundError, UserError
from modules.processing.merging.request import (
    ExtractNetwork,
    MergeCheckpoints,
    MergeNetworks,
    MergeRequest,
    WeighedNetwork,
)
from modules.processing.merging.studio import Studio
from modules.processing.models.catalog import ModelCatalog, ModelFile
from modules.processing.models.families import families
from modules.processing.networks.files import NetworkFile


def check_sources(studio: Studio, request: MergeRequest) -> None:
    """UserError names the first name that is not known, or that does not go with the others."""
    match request:
        case MergeCheckpoints():
            files = sources_of(studio.catalog, request)
            networks_of(studio, request.networks, family=files[0].family)
            if request.vae:
                with _named("vae"):
                    studio.catalog.find_vae(request.vae)
        case MergeNetworks():
            networks_of(studio, request.networks)
        case ExtractNetwork():
            pair_of(studio.catalog, request)


def sources_of(catalog: ModelCatalog, request: MergeCheckpoints) -> list[ModelFile]:
    """A, B and C as the method needs them; UserError when they cannot be merged, from their headers alone."""
    count = {"none": 1, "weighted_sum": 2, "add_difference": 3}[request.method]
    wanted = {"primary": request.primary, "secondary": request.secondary, "tertiary": request.tertiary}
    return _of_one_family(catalog, dict(list(wanted.items())[:count]))


def pair_of(catalog: ModelCatalog, request: ExtractNetwork) -> list[ModelFile]:
    """The tuned checkpoint and its base."""
    return _of_one_family(catalog, {"tuned": request.tuned, "base": request.base})


def networks_of(studio: Studio, wanted: tuple[WeighedNetwork, ...], *, family: str = "") -> list[NetworkFile]:
    """The files of the networks; they must be of `family`, or of one, as far as they tell theirs."""
    found: list[NetworkFile] = []
    for index, one in enumerate(wanted):
        with _named(f"networks[{index}].name"):
            file = studio.networks.find(one.name)
        if file.broken:
            raise UserError(f"{file.name}: {file.broken}", field=f"networks[{index}].name")
        if family and file.family and file.family != family:
            labels = [families.get(one).label for one in (file.family, family)]
            raise UserError(f"{file.name} was made for {labels[0]}, not {labels[1]}.", field=f"networks[{index}].name")
        family = family or file.family
        found.append(file)
    return found


def _of_one_family(catalog: ModelCatalog, names: dict[str, str]) -> list[ModelFile]:
    files: list[ModelFile] = []
    for field, name in names.items():
        with _named(field):
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


@contextmanager
def _named(field: str) -> Iterator[None]:
    """A name that is not found is told as this field's."""
    try:
        yield
    except NotFoundError as error:
        raise NotFoundError(error.message, hint=error.hint, field=field) from error
