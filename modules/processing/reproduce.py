"""Make a picture again from its own papers, and say whether it is identical, or what differs and by how much."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from modules.core.errors import EaselError, UserError
from modules.core.settings import Settings
from modules.core.version import VERSION
from modules.imaging.inputs import LIMIT_MB
from modules.imaging.metadata import open_image, read_papers
from modules.processing.engine import Engine
from modules.processing.networks.hashes import networks_of, with_digests
from modules.processing.papers import FORMAT
from modules.processing.pasted import request_from_infotext
from modules.processing.plan import Plan
from modules.processing.progress import Picture
from modules.processing.requests import After, Generate, Noise, ScriptCall, references
from modules.processing.resolve import shaping_settings


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """`difference`: the largest over all pixels and channels, 0 to 255; None when the sizes differ."""

    path: str
    difference: int | None
    reasons: tuple[str, ...]

    @property
    def identical(self) -> bool:
        return self.difference == 0

    def __str__(self) -> str:
        if self.identical:
            return "identical"
        told = "sizes differ" if self.difference is None else f"largest pixel difference {self.difference} of 255"
        return f"differs: {told}. " + " ".join(self.reasons or ("No known reason.",))


def reproduce(engine: Engine, source: Path) -> Reproduction:
    """Run the request inside `source` with default settings and compare. UserError when the file has no papers."""
    papers = read_papers(source)
    reasons: list[str] = []
    block = _block(papers.request)
    if block is not None:
        request, index = Generate.from_json(block["request"]), int(block["picture"])
        reasons += _environment_reasons(block)
    elif papers.infotext:
        request, index = request_from_infotext(papers.infotext, engine.networks).request, 0
        reasons.append("The file has an infotext only; what that does not tell was left at its default.")
    else:
        raise UserError(
            f"{source.name} carries no generation data.", hint="Choose a picture that Easel or A1111 saved."
        )
    _check_sources(engine, request)
    script = request.after.script if block is not None else None  # an infotext tells no seeds that scripts drew
    request = dataclasses.replace(request, after=After(save=False, grid=False, hires=request.after.hires))
    plan, model_reasons = _plan(engine, request, block)
    if script is not None:
        path = _by_script(engine, request, script)[index].path
        reasons += ["The script draws its seeds anew."] if request.seed.seed == -1 else []
    else:
        made = engine.run_plan(plan).pictures
        path = [one for one in made if one.kind == "sample"][index].path
    return Reproduction(
        path=path, difference=pixel_difference(source, Path(path)), reasons=tuple(reasons + model_reasons)
    )


def _by_script(engine: Engine, request: Generate, script: ScriptCall) -> tuple[Picture, ...]:
    """What a script makes of the request under default settings."""
    asked = dataclasses.replace(
        request,
        after=dataclasses.replace(request.after, script=script),
        overrides={**shaping_settings(), **request.overrides},
    )
    return engine.run(asked).pictures


def pixel_difference(first: Path, second: Path) -> int | None:
    """The largest difference of two pictures, 0 to 255, or None when their sizes differ."""
    one, two = (np.asarray(_rgb(path), dtype=np.int16) for path in (first, second))
    return int(np.abs(one - two).max()) if one.shape == two.shape else None


def _check_sources(engine: Engine, request: Generate) -> None:
    """UserError names the pictures that the request starts from and that are not here."""
    named = dict.fromkeys(references(request))
    missing = [one for one in named if not _is_here(engine, one)]
    if missing:
        raise UserError(
            f"The picture cannot be made again: of the {len(named)} pictures that it was made from "
            f"{len(missing)} are gone ({', '.join(one[:19] for one in missing)}...).",
            hint=f"Pictures that were worked on are kept up to the size of {LIMIT_MB.key}.",
            field="source",
        )
    if not named and not isinstance(request.source, Noise):
        raise UserError(
            "The picture cannot be made again: its infotext tells nothing of the picture that it was made from.",
            hint="Send it to img2img together with that picture.",
            field="source",
        )


def _is_here(engine: Engine, reference: str) -> bool:
    try:
        engine.inputs.path(reference)
    except UserError:
        return False
    return True


def _rgb(path: Path) -> Image.Image:
    return open_image(path).convert("RGB")


def _block(text: str | None) -> dict[str, Any] | None:
    if not text:
        return None
    try:
        block = json.loads(text)
        if not isinstance(block, dict) or block.get("easel") != FORMAT or "request" not in block:
            raise ValueError("unknown layout")
    except ValueError as error:
        raise UserError(f"The request inside the picture could not be read: {error}.") from None
    return block


def _plan(engine: Engine, request: Generate, block: dict[str, Any] | None) -> tuple[Plan, list[str]]:
    """The plan under default settings: the request carries every setting that differed."""
    reasons: list[str] = []
    engine.catalog.refresh()
    wanted = (block or {}).get("checkpoint") or {}
    try:
        plan = engine.decide(request, Settings())
    except EaselError as error:
        raise UserError(f"The picture cannot be made again: {error}") from error
    have = plan.model.checkpoint.sha256 or engine.catalog.hash_now(plan.model.checkpoint)
    if wanted.get("sha256") and have != wanted["sha256"]:
        reasons.append(f"The checkpoint {plan.model.checkpoint.title} has another hash than the one that was used.")
    used = {one.get("name"): one.get("sha256") for one in (block or {}).get("networks") or ()}
    for file in dict.fromkeys(one.file for one in networks_of(with_digests(plan, engine.networks))):
        if file.digest and used.get(file.name, file.digest) not in ("", file.digest):
            reasons.append(f"The network {file.name} has another hash than the one that was used.")
    return plan, reasons


def _environment_reasons(block: dict[str, Any]) -> list[str]:
    from modules.processing.stages.finish import environment

    then, now = dict(block.get("environment") or {}), environment()
    reasons = [
        f"{name} was {then[name]} and is {now[name]}." for name in now if name in then and then[name] != now[name]
    ]
    if block.get("version") != VERSION:
        reasons.append(f"Easel was {block.get('version')} and is {VERSION}.")
    return reasons
