"""The `infotext` field of a request: what the text says fills every field that the request leaves out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from modules.api.models import Asked, Txt2Img
from modules.core.errors import NotFoundError
from modules.processing.models.catalog import CHECKPOINT, ModelCatalog, ModelFile
from modules.processing.models.vae import VAE
from modules.processing.networks.files import NetworkFiles
from modules.processing.options import CLIP_SKIP
from modules.processing.pasted import request_from_infotext
from modules.processing.requests import Generate, MaskedImage


def fill_from_infotext(body: Asked, catalog: ModelCatalog, networks: NetworkFiles) -> tuple[Asked, list[str]]:
    """`body` filled in, and warnings about what the text says and could not be followed."""
    if not body.infotext:
        return body, []
    pasted = request_from_infotext(body.infotext, networks)
    explicit = set(body.model_fields_set)
    if "sampler_index" in explicit:
        explicit.add("sampler_name")  # the old name of the same thing
    if not explicit.isdisjoint(("mask_blur_x", "mask_blur_y")):
        explicit.add("mask_blur")  # sets both
    values = {name: value for name, value in pasted.values.items() if name in type(body).model_fields}
    settings: dict[str, Any] = dict(pasted.request.overrides)
    if pasted.request.model.clip_skip is not None:
        settings[CLIP_SKIP.key] = pasted.request.model.clip_skip
    warnings = [f"The infotext's {name} {value!r} was not understood." for name, value in pasted.unknown.items()]
    if isinstance(body, Txt2Img):
        values.pop("alwayson_scripts", None)  # soft inpainting
    if isinstance(body, Txt2Img) or (isinstance(pasted.request.source, MaskedImage) and not body.mask):
        warnings += pasted.notes
    warnings += _follow_models(pasted.request, catalog, values, settings)
    changes = {name: value for name, value in values.items() if name not in explicit}
    changes["override_settings"] = {**settings, **(body.override_settings or {})}
    return body.model_copy(update=changes), warnings


def _follow_models(
    request: Generate, catalog: ModelCatalog, values: dict[str, Any], settings: dict[str, Any]
) -> list[str]:
    """Put the models that are here into `values` and `settings`; the others are told, not replaced by similar ones."""
    warnings = []
    model, hires = request.model, request.after.hires
    if model.checkpoint:
        if file := _here(model.checkpoint, catalog.find_checkpoint):
            settings[CHECKPOINT.key] = file.title
        else:
            warnings.append(f"The infotext's checkpoint {model.checkpoint!r} is not here; the chosen one was used.")
    if model.vae and model.vae.casefold() not in ("none", "automatic"):
        if file := _here(model.vae, catalog.find_vae):
            settings[VAE.key] = file.name
        else:
            warnings.append(f"The infotext's VAE {model.vae!r} is not here; the chosen one was used.")
    if model.refiner:
        if file := _here(model.refiner.checkpoint, catalog.find_checkpoint):
            values |= {"refiner_checkpoint": file.title, "refiner_switch_at": model.refiner.switch_at}
        else:
            values.pop("refiner_checkpoint", None)
            warnings.append(f"The infotext's refiner {model.refiner.checkpoint!r} is not here; none was used.")
    if hires and (wish := hires.second.checkpoint):
        if file := _here(wish, catalog.find_checkpoint):
            values["hr_checkpoint_name"] = file.title
        else:
            values.pop("hr_checkpoint_name", None)
            warnings.append(f"The infotext's hires checkpoint {wish!r} is not here; the first pass's was used.")
    return warnings


def _here(wish: str, find: Callable[[str], ModelFile]) -> ModelFile | None:
    """The file of this hash; where one of the hashes is not known, of this name as infotexts write it."""
    try:
        file = find(wish)
    except NotFoundError:
        return None
    match = re.fullmatch(r"(?:(?P<name>.*?)\s*\[)?(?P<hash>[0-9a-f]{8,64})\]?", wish, re.DOTALL)
    if match and file.sha256:
        return file if file.sha256.startswith(match["hash"]) else None
    name = match["name"] if match and match["name"] else wish
    names = {re.sub("[,:]", "", one).casefold() for one in (file.stem, file.path.name, file.name)}
    return file if name.casefold() in names else None
