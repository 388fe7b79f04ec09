"""img2img's Batch mode: a request for each picture that was handed in, or lies in a folder."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from modules.core.errors import EaselError, UserError
from modules.gradio_ui.generation_request import Values
from modules.gradio_ui.img2img_request import scaled, source_of
from modules.imaging.infotext import parse_infotext
from modules.imaging.inputs import PictureStore
from modules.imaging.metadata import FORMATS, SUFFIXES, open_image, read_metadata
from modules.processing.pasted import request_from_fields
from modules.processing.requests import Generate

log = logging.getLogger(__name__)
PROPERTIES = ("Prompt", "Negative prompt", "Seed", "CFG scale", "Sampler", "Steps", "Model hash")


@dataclass(frozen=True)
class Entry:
    """A picture of the batch: kept already, or a file that is read when its turn comes."""

    name: str
    reference: str = ""
    path: Path | None = None


def batch_requests(
    values: Values, request: Generate, store: PictureStore, *, folders: bool
) -> tuple[Iterator[Generate], str]:
    """(the requests, read one by one, and what has to be told of files that are left out).

    `folders`: whether folders of this machine may be read. UserError when there is nothing to do.
    """
    from_folder = values.get("batch_source") == "folder"
    named = ("batch_input_dir", "batch_output_dir", "batch_mask_dir", "batch_png_info_dir")
    if not folders and (from_folder or any(values.get(one) for one in named)):
        raise UserError(
            "Folders cannot be chosen here.", hint="Hand the pictures in one by one.", field="batch_input_dir"
        )
    output = str(_named(values, "batch_output_dir") or "")
    request = dataclasses.replace(request, after=dataclasses.replace(request.after, folder=output))
    found = _folder(values) if from_folder else _uploads(values)
    entries, unread = _readable(found)
    masks = _masks(values)
    missing = [one.name for one in entries if masks is not None and masks.of(one.name) is None]
    entries = [one for one in entries if one.name not in missing]
    if not entries:
        raise UserError("No picture of the batch can be worked on.", hint=_told(unread, missing), field="batch")
    return _requests(values, request, store, entries, masks), _told(unread, missing)


def _requests(
    values: Values, request: Generate, store: PictureStore, entries: list[Entry], masks: Masks | None
) -> Iterator[Generate]:
    for one in entries:
        try:
            yield _request(values, request, store, one, masks)
        except EaselError as error:  # cut off in the middle, which its header did not say
            log.warning("%s is left out of the batch: %s", one.name, error)


@dataclass(frozen=True)
class Masks:
    """One mask for all, or that with the stem of the picture."""

    files: tuple[Path, ...]

    def of(self, name: str) -> Path | None:
        if len(self.files) == 1:
            return self.files[0]
        return next((one for one in self.files if one.stem == Path(name).stem), None)


def _folder(values: Values) -> list[Entry]:
    folder = _existing(values, "batch_input_dir")
    files = sorted(one for one in folder.rglob("*") if one.suffix.lower() in SUFFIXES and one.is_file())
    if not files:
        raise UserError(f"There is no picture in {folder}.", hint=f"Read are {', '.join(SUFFIXES)}.", field="batch")
    return [Entry(one.name, path=one) for one in files]


def _existing(values: Values, control: str) -> Path:
    folder = _named(values, control)
    if folder is None or not folder.is_dir():
        text = str(values.get(control) or "").strip()
        raise UserError(f"There is no folder {text!r}.", hint="Write its whole path.", field=control)
    return folder


def _named(values: Values, control: str) -> Path | None:
    """The folder that a control names, which need not be there; "~" is a home."""
    text = str(values.get(control) or "").strip()
    try:
        return Path(text).expanduser() if text else None
    except RuntimeError:  # nobody's home
        raise UserError(f"There is no home of {text!r}.", hint="Write its whole path.", field=control) from None


def _uploads(values: Values) -> list[Entry]:
    try:
        listed = json.loads(values.get("batch_upload") or "[]")
        entries = [Entry(str(one["name"]), reference=str(one["reference"])) for one in listed]
    except (ValueError, TypeError, KeyError):
        entries = []
    if not entries:
        raise UserError("There is no picture in the batch.", hint="Choose some, or a folder.", field="batch")
    return entries


def _readable(entries: list[Entry]) -> tuple[list[Entry], list[str]]:
    """Those whose header says that they are pictures, and the names of the others."""
    good, bad = [], []
    for one in entries:
        try:
            if one.path is not None:
                with Image.open(one.path, formats=FORMATS):
                    pass
            good.append(one)
        except (OSError, ValueError, Image.DecompressionBombError):
            bad.append(one.name)
    return good, bad


def _masks(values: Values) -> Masks | None:
    if not values.get("batch_mask_dir"):
        return None
    folder = _existing(values, "batch_mask_dir")
    files = tuple(sorted(one for one in folder.iterdir() if one.suffix.lower() in SUFFIXES))
    if not files:
        raise UserError(f"There is no mask in {folder}.", hint="One for all, or one of each name.", field="batch")
    return Masks(files)


def _told(unread: list[str], missing: list[str]) -> str:
    parts = [f"Cannot be read: {', '.join(unread)}." if unread else ""]
    parts.append(f"Without a mask: {', '.join(missing)}." if missing else "")
    return " ".join(one for one in parts if one)


def _request(values: Values, request: Generate, store: PictureStore, entry: Entry, masks: Masks | None) -> Generate:
    """The request for one picture. UserError when the file turns out to be unreadable."""
    picture = store.open(entry.reference) if entry.path is None else open_image(entry.path)
    reference = entry.reference or store.put(picture)
    mask = ""
    if masks is not None and (path := masks.of(entry.name)) is not None:
        mask = store.put(open_image(path))
    made = scaled(values, request, store, reference)
    made = dataclasses.replace(made, source=source_of(values, reference, mask, masked=bool(mask)))
    if values.get("batch_png_info"):
        made = _with_paper(values, made, _paper(values, entry, picture))
    if made.after.folder:
        made = dataclasses.replace(made, after=dataclasses.replace(made.after, name=Path(entry.name).stem))
    return made


def _paper(values: Values, entry: Entry, picture: Image.Image) -> dict[str, str]:
    """The parsed infotext of the picture, or of that with its stem in the folder of papers."""
    if values.get("batch_png_info_dir"):
        folder = _existing(values, "batch_png_info_dir")
        beside = next((one for one in folder.iterdir() if one.stem == Path(entry.name).stem), None)
        if beside is None:
            return {}
        picture = open_image(beside)
    return parse_infotext(read_metadata(picture)[0] or "")


def _with_paper(values: Values, request: Generate, fields: dict[str, str]) -> Generate:
    """The chosen parts of a paper in the request; prompts are added after a space, as in A1111."""
    wanted = {one: fields[one] for one in values.get("batch_png_info_props") or () if fields.get(one)}
    said = request_from_fields(wanted)
    prompt, changes = request.prompt, dict[str, Any]()
    positive = " ".join(one for one in (prompt.positive, wanted.get("Prompt", "")) if one)
    negative = " ".join(one for one in (prompt.negative, wanted.get("Negative prompt", "")) if one)
    changes["prompt"] = dataclasses.replace(prompt, positive=positive, negative=negative)
    if "Seed" in wanted:
        changes["seed"] = dataclasses.replace(request.seed, seed=said.request.seed.seed)
    sampling = {"CFG scale": "cfg_scale", "Sampler": "sampler", "Steps": "steps"}
    taken = {name: getattr(said.request.sampling, name) for field, name in sampling.items() if field in wanted}
    changes["sampling"] = dataclasses.replace(request.sampling, **taken)
    if "Model hash" in wanted:
        changes["model"] = dataclasses.replace(request.model, checkpoint=wanted["Model hash"])
    return dataclasses.replace(request, **changes)
