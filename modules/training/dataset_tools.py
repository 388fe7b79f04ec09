"""Tools for a dataset's pictures: cut to buckets, mirrored copies, long ones split; captions and masks go along.

Each tool is a frozen wish and a plain function of a Workplace, which keeps the originals; `run` does any of them, with
progress. With `into` a copy of the dataset is worked on. Torch is not needed.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from PIL import Image

from modules.core.errors import UserError
from modules.core.files import inside
from modules.imaging.resize import cover_size
from modules.processing.extras.operations.flipped_copies import FLIPS
from modules.processing.extras.operations.focal_crop import focal_offset
from modules.processing.extras.operations.split_oversized import parts_of
from modules.processing.extras.request import Flip, FocalCrop, Split
from modules.training.buckets import bucket_sizes, nearest_bucket
from modules.training.config.ranges import check_range
from modules.training.config.reading import build
from modules.training.datasets.caption_edits import CaptionEdit, edit_captions, editor
from modules.training.datasets.decode import BROKEN, opened, to_colours, to_mask, to_rgb
from modules.training.datasets.entries import CAPTION_KINDS, MASK_END, Entry, read_entries
from modules.training.datasets.mirroring import may_mirror
from modules.training.datasets.workplace import BACKUP, Workplace, undo

QUALITY = 95  # of JPEG and WebP
KEPT_KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}  # others become PNG
OnPicture = Callable[[int, int], None]  # (pictures done, of so many)


@dataclass(frozen=True)
class BucketCrop:
    """Every picture in the size of its bucket, ready to be learned."""

    kind: Literal["buckets"] = "buckets"
    size: int = 512
    bucket_step: int = 64
    bucket_ratio: float = 2.0
    cut: Literal["middle", "focal"] = "middle"


@dataclass(frozen=True)
class FlipCopies:
    """Mirrored copies beside the pictures. `careful`: none left to right where a caption tells sides or writing."""

    kind: Literal["flips"] = "flips"
    flips: tuple[Flip, ...] = ("Horizontal",)
    careful: bool = True


@dataclass(frozen=True)
class SplitLong:
    """Pictures much longer than the size become several of it. `threshold`, `overlap`: as in Extras."""

    kind: Literal["split"] = "split"
    width: int = 512
    height: int = 512
    threshold: float = 0.5
    overlap: float = 0.2


@dataclass(frozen=True)
class Undo:
    """What the last tool did."""

    kind: Literal["undo"] = "undo"


Tool = CaptionEdit | BucketCrop | FlipCopies | SplitLong | Undo
TOOLS: Mapping[str, type[Tool]] = {one.kind: one for one in get_args(Tool)}


@dataclass(frozen=True)
class Done:
    """Names from the dataset's folder. `left`: files that were not worked on, and why."""

    folder: str
    changed: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    left: tuple[tuple[str, str], ...] = ()


@dataclass
class _Work:
    """A use of a tool. `place` keeps what is replaced; `stopping` is asked and `report` told at each picture."""

    place: Workplace
    report: OnPicture
    stopping: Callable[[], bool]
    left: list[tuple[str, str]] = field(default_factory=list)


def read_tool(tree: Mapping[str, Any]) -> Tool:
    """A tool from JSON, its numbers checked; UserError names the field."""
    kind = tree.get("kind")
    if not isinstance(kind, str) or kind not in TOOLS:
        raise UserError(f"There is no tool {str(kind)[:80]!r}.", hint=f"Known: {', '.join(TOOLS)}.", field="kind")
    tool = build(TOOLS[kind], tree, "")
    check_tool(tool)
    return tool


def check_tool(tool: Tool) -> None:
    match tool:
        case BucketCrop():
            check_range("size", tool.size, 8, 4096)
            check_range("bucket_step", tool.bucket_step, 8, 512)
            check_range("bucket_ratio", tool.bucket_ratio, 1, 8)
            if tool.size % tool.bucket_step:
                raise UserError(
                    f"size {tool.size} is not a multiple of bucket_step {tool.bucket_step}.",
                    hint="Use one that is.",
                    field="size",
                )
        case FlipCopies():
            if not tool.flips:
                raise UserError("No way to mirror is chosen.", hint=f"Use {', '.join(FLIPS)}.", field="flips")
        case SplitLong():
            check_range("width", tool.width, 8, 4096)
            check_range("height", tool.height, 8, 4096)
            check_range("threshold", tool.threshold, 0, 1)
            check_range("overlap", tool.overlap, 0, 0.9)
        case CaptionEdit():
            editor(tool)
        case Undo():
            pass


def run(
    folder: Path,
    tool: Tool,
    *,
    into: Path | None = None,
    report: OnPicture = lambda done, of: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Done:
    """Use a tool on the dataset in `folder`, or on a new copy of it. Stopped, it has done the pictures up to then."""
    check_tool(tool)
    if isinstance(tool, Undo):
        if into is not None:
            raise UserError("Only what was changed in place can be undone.", field="into")
        return Done(folder.name, changed=tuple(undo(folder)))
    if into is not None:
        copy_dataset(folder, into)
        folder = into
    if isinstance(tool, CaptionEdit):
        place, left = edit_captions(folder, tool), []
    else:
        work = _Work(Workplace(folder), report, stopping)
        {BucketCrop: crop_to_buckets, FlipCopies: flip_copies, SplitLong: split_long}[type(tool)](work, tool)
        place, left = work.place, work.left
    if into is not None:
        shutil.rmtree(into / BACKUP, ignore_errors=True)  # the originals are where they were
    return Done(folder.name, tuple(place.changed), tuple(place.made), tuple(place.removed), tuple(left))


def copy_dataset(folder: Path, into: Path) -> None:
    """All of a dataset but its backups into a folder that is not there yet."""
    if into.exists():
        raise UserError(f"There is something called {into.name!r} already.", hint="Choose another name.", field="into")
    for path in folder.rglob("*"):
        inside(folder, path)  # no link leads elsewhere
    shutil.copytree(folder, into, ignore=shutil.ignore_patterns(".*", "*.tmp"))


def crop_to_buckets(work: _Work, tool: BucketCrop) -> None:
    """Pictures, and their masks with them, made to cover their bucket and cut to it."""
    buckets = bucket_sizes(tool.size, tool.bucket_step, tool.bucket_ratio)

    def crop(entry: Entry, picture: Image.Image, mask: Image.Image | None) -> None:
        width, height = nearest_bucket(picture.size, buckets)
        if picture.size == (width, height):
            return
        size = cover_size(*picture.size, width, height)
        scaled = picture.resize(size, Image.Resampling.LANCZOS)
        left, top = (size[0] - width) // 2, (size[1] - height) // 2
        if tool.cut == "focal":
            left, top = focal_offset(scaled.convert("RGB"), width, height, FocalCrop())
        box = (left, top, left + width, top + height)
        _put(work, entry.path, scaled.crop(box))
        if mask is not None and entry.mask is not None:
            _put(work, entry.mask, mask.resize(size, Image.Resampling.BOX).crop(box))

    _each(work, crop)


def flip_copies(work: _Work, tool: FlipCopies) -> None:
    tags = tuple(f"-{way.lower()}" for way in FLIPS)

    def flip(entry: Entry, picture: Image.Image, mask: Image.Image | None) -> None:
        if entry.path.stem.endswith(tags):  # a copy made earlier
            return
        for way in dict.fromkeys(tool.flips):
            if tool.careful and way == "Horizontal" and not may_mirror(entry.caption):
                work.left.append((_name(work, entry.path), "caption"))
                continue
            path = _free(entry.path, way.lower())
            _put_new(work, entry, path, picture.transpose(FLIPS[way]), mask and mask.transpose(FLIPS[way]))

    _each(work, flip)


def split_long(work: _Work, tool: SplitLong) -> None:
    """The parts take the picture's place."""
    wish, size = Split(threshold=tool.threshold, overlap=tool.overlap), (tool.width, tool.height)

    def split(entry: Entry, picture: Image.Image, mask: Image.Image | None) -> None:
        parts = parts_of(picture, size, wish, entry.path.name)
        if parts is None:
            return
        masks = parts_of(mask, size, wish) if mask is not None else None
        for number, part in enumerate(parts):
            path = _free(entry.path, str(number + 1))
            _put_new(work, entry, path, part, masks[number] if masks else None)
        for path in (entry.path, entry.caption_file, entry.mask):
            if path is not None:
                work.place.remove(path)

    _each(work, split)


def _each(work: _Work, do: Callable[[Entry, Image.Image, Image.Image | None], None]) -> None:
    """`do` for every picture that can be read, upright, with its mask at its size."""
    entries = read_entries(work.place.folder, lambda code, path, why: None)
    for number, entry in enumerate(entries, 1):
        if work.stopping():
            return
        try:
            picture, mask = _opened(entry)
        except BROKEN as error:
            work.left.append((_name(work, entry.path), str(error).replace(str(entry.path), entry.path.name)))
        else:
            do(entry, picture, mask)
        work.report(number, len(entries))


def _opened(entry: Entry) -> tuple[Image.Image, Image.Image | None]:
    """(the picture, its transparency kept; its mask)."""
    with opened(entry.path) as image:
        picture = to_colours(image)
    if entry.mask is None:
        return picture, None
    with opened(entry.mask) as image:
        mask = to_mask(image, alpha=False)
    assert mask is not None
    return picture, mask if mask.size == picture.size else mask.resize(picture.size, Image.Resampling.BOX)


def _put(work: _Work, path: Path, picture: Image.Image) -> Path:
    """In the format of its name; where that cannot hold it, as a PNG that takes its place. Returns where it is."""
    kind, target = KEPT_KINDS.get(path.suffix.lower()), path
    if kind is None or (kind == "JPEG" and picture.mode == "RGBA"):
        kind, target = "PNG", path.with_suffix(".png")
        target = _free(path, "png") if target != path and target.exists() else target
    raw = io.BytesIO()
    picture.save(raw, kind, **({} if kind == "PNG" else {"quality": QUALITY}))
    work.place.replace(target, raw.getvalue())
    if target != path and path.exists():
        work.place.remove(path)
    return target


def _put_new(work: _Work, entry: Entry, path: Path, picture: Image.Image, mask: Image.Image | None) -> None:
    """A picture made of another, with its caption and mask."""
    made = _put(work, path, picture)
    if entry.told_by != "name":
        kind = entry.caption_file.suffix if entry.caption_file else CAPTION_KINDS[0]
        work.place.replace(made.with_suffix(kind), entry.caption.encode("utf-8"))
    if mask is not None:
        _put(work, made.with_name(f"{made.stem}{MASK_END}.png"), mask)


def _free(path: Path, tag: str) -> Path:
    """NAME-tag beside the picture, with a number where there is one."""
    tried, number = path.with_name(f"{path.stem}-{tag}{path.suffix}"), 1
    while any(tried.with_suffix(kind).exists() for kind in (path.suffix, ".png", *CAPTION_KINDS)):
        number += 1
        tried = path.with_name(f"{path.stem}-{tag}-{number}{path.suffix}")
    return tried


def _name(work: _Work, path: Path) -> str:
    return path.relative_to(work.place.folder).as_posix()


def thumbnails(folder: Path, names: Sequence[str], side: int = 128) -> list[tuple[str, Image.Image | None]]:
    """Small RGB pictures of files of the dataset; None for those that cannot be read."""
    found: list[tuple[str, Image.Image | None]] = []
    for name in names:
        path = inside(folder, name)
        try:
            with opened(path) as image:
                image.draft("RGB", (2 * side, 2 * side))
                small = to_rgb(image)
            small.thumbnail((side, side))
            found.append((name, small))
        except BROKEN:
            found.append((name, None))
    return found
