"""What a person notes about a model file, in the files that A1111 keeps beside it: NAME.json, NAME.txt, pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Set
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from modules.core.errors import UserError
from modules.core.files import write_atomic

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif")
VERSIONS = ("", "SD1", "SD2", "SDXL", "Unknown")  # "" leaves it to the file
MODELS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")
LIMIT = 4 * 1024 * 1024  # bytes of a text beside a model
LONGEST = 20_000  # characters of one field


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    """preferred_weight: 0 for none. sd_version: one of VERSIONS."""

    description: str = ""
    notes: str = ""
    activation_text: str = ""
    preferred_weight: float = 0.0
    negative_text: str = ""
    sd_version: str = ""


def read_sidecar(path: Path, names: Set[str] | None = None) -> Sidecar:
    """The notes on a model file; where there are none, or damaged ones, the description that stands in NAME.txt.

    names: what its folder holds, for whoever asks for many files of one folder.
    """
    beside, texts = _base(path, ".json"), [_base(path, one) for one in (".txt", ".description.txt")]
    if names is not None:
        texts = [one for one in texts if one.name in names]
    try:
        told = {} if names is not None and beside.name not in names else _read_json(beside)
    except UserError:
        told = {}
    found = {name: _plain(told.get(_key(name)), default) for name, default in asdict(Sidecar()).items()}
    if not found["description"]:
        found["description"] = _read_text(texts)
    if found["sd_version"] not in VERSIONS:
        found["sd_version"] = ""
    return Sidecar(**found)


def write_sidecar(path: Path, notes: Sidecar) -> Path:
    """Write them into NAME.json, whose other keys stay. UserError when what is there is not A1111's."""
    beside = _base(path, ".json")
    if notes.sd_version not in VERSIONS:
        raise UserError(
            f"The version is {notes.sd_version!r}, which is not one.",
            hint=f"There are: {', '.join(VERSIONS[1:])}.",
            field="sd_version",
        )
    if not -10 <= notes.preferred_weight <= 10:
        raise UserError(
            f"The preferred weight is {notes.preferred_weight}, but -10 to 10 is possible.", field="preferred_weight"
        )
    for name, value in asdict(notes).items():
        if len(str(value)) > LONGEST:
            raise UserError(f"{name} is longer than {LONGEST} characters.", field=name)
    told = _read_json(beside) | {_key(name): value for name, value in asdict(notes).items()}
    write_atomic(beside, json.dumps(told, ensure_ascii=False, indent=4))
    return beside


def preview_of(path: Path, names: Set[str] | None = None) -> Path | None:
    """The picture beside a model file. names: as in read_sidecar."""
    stem = _base(path, "").name
    for suffix in PICTURES:
        for name in (f"{stem}{suffix}", f"{stem}.preview{suffix}"):
            found = path.with_name(name)
            if name in names if names is not None else found.is_file():
                return None if found == path else found
    return None


def preview_place(path: Path) -> Path:
    """Where a new preview of a model file is kept: over the one there is, where that is a PNG."""
    found = preview_of(path)
    return found if found and found.suffix.lower() == ".png" else _base(path, ".preview.png")


def _base(path: Path, ending: str) -> Path:
    """Beside a file without its model suffix; beside a folder by its whole name."""
    stem = path.stem if path.suffix.lower() in (*MODELS, *PICTURES) and not path.is_dir() else path.name
    return path.with_name(stem + ending)


def _key(name: str) -> str:
    return name.replace("_", " ")


def _plain(value: Any, default: str | float) -> Any:
    """`value` in the type of `default`; A1111 itself writes numbers as texts now and then."""
    if isinstance(default, float):
        try:
            number = float(value)
        except (TypeError, ValueError):
            return default
        return number if math.isfinite(number) else default
    return str(value)[:LONGEST] if isinstance(value, (str, int, float)) else default


def _read_json(beside: Path) -> dict[str, Any]:
    if not beside.is_file():
        return {}
    try:
        found = json.loads(beside.read_text("utf-8")) if beside.stat().st_size <= LIMIT else None
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise UserError(f"{beside.name} is not a JSON object of notes.", hint="Move it away, or mend it.")
    return found


def _read_text(texts: list[Path]) -> str:
    for beside in texts:
        try:
            if beside.is_file() and beside.stat().st_size <= LIMIT:
                return beside.read_text("utf-8", errors="replace").strip()[:LONGEST]
        except OSError:
            continue
    return ""
