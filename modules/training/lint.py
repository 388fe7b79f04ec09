"""A dataset looked over before it is learned from: what would fail, what would be learned badly, what there is.

Each rule has a code, a level and its words; a finding is a rule and the files that it is about. Every picture is
decoded once. Torch is not needed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from modules.core.errors import UserError
from modules.prompting.clip_tokenizer import ClipTokenizer
from modules.training.buckets import Size, bucket_sizes, nearest_bucket
from modules.training.datasets.captions import with_trigger
from modules.training.datasets.decode import BROKEN, opened, orientation, to_mask, to_rgb, upright_size
from modules.training.datasets.entries import (
    CAPTION_KINDS,
    Entry,
    caption_files,
    read_caption,
    read_entries,
)
from modules.training.datasets.looks import alike, perceptual_hash, sharpness, thumbnail
from modules.training.datasets.mirroring import may_mirror
from modules.training.lint_rules import LEVELS, RULES, Level

BLURRED = 25.0  # sharpness below it; a photo of 1165 falls to 29 by a Gaussian of 1.5 pixels at 512, to 13 by one of 2
MOST_TOKENS = 75  # of CLIP, without start and end
MOST_LOST = 0.25  # share of a picture that its bucket cuts off
FEW_PICTURES = 5
SELDOM, OFTEN = 1, 400  # times that the average picture is drawn
UNEVEN = 5  # times as many repeats
NEVER_SEEN = 0.02  # share of transparent pixels below which nobody minds


OnPicture = Callable[[int, int], None]  # (pictures looked at, of so many)


@dataclass(frozen=True)
class LintOptions:
    """What the training will be told. `size`: pixels of a bucket's side if it were square. `steps` 0: not known."""

    size: int = 512
    bucket_step: int = 64
    bucket_ratio: float = 2.0
    batch_size: int = 1
    steps: int = 0
    flips: bool = False
    masks: bool = False
    trigger: str = ""
    blurred: float = BLURRED


@dataclass(frozen=True)
class FileNote:
    """`file` from the dataset's folder; `detail` in numbers or names that need no translation."""

    file: str
    detail: str = ""


@dataclass(frozen=True)
class Finding:
    level: Level
    code: str
    message: str
    hint: str
    files: tuple[FileNote, ...] = ()


@dataclass(frozen=True)
class BucketRow:
    """`draws`: pictures times repeats. `batches`: that many are filled by one round of them."""

    width: int
    height: int
    pictures: int
    draws: int
    batches: int


@dataclass(frozen=True)
class LintReport:
    """`captions`: by where they come from. `draws`: pictures times repeats, one epoch. `epochs`: 0 without steps."""

    name: str
    pictures: int
    regularisation: int
    masks: int
    captions: Mapping[str, int]
    repeats: Mapping[str, int]
    draws: int
    steps_per_epoch: int
    epochs: float
    buckets: tuple[BucketRow, ...]
    findings: tuple[Finding, ...]
    examples: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not any(one.level == "error" for one in self.findings)

    def to_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "ok": self.ok}


@dataclass
class _Look:
    """One picture, decoded. `opaque`: share of its pixels that are not transparent; None where it has no alpha."""

    size: Size
    stored: Size
    orientation: int
    animated: bool
    opaque: float | None
    sharpness: float
    hash: int
    thumbnail: np.ndarray
    digest: str


@dataclass
class _Dataset:
    """`problems`: (code, file, detail) that reading found."""

    folder: Path
    options: LintOptions
    entries: list[Entry] = field(default_factory=list)
    looks: dict[Path, _Look] = field(default_factory=dict)
    problems: list[tuple[str, Path, str]] = field(default_factory=list)

    @property
    def learned(self) -> list[Entry]:
        """Pictures of the subject, those that cannot be read left out."""
        return [one for one in self.entries if not one.regularisation and one.path in self.looks]

    @property
    def buckets(self) -> list[Size]:
        return bucket_sizes(self.options.size, self.options.bucket_step, self.options.bucket_ratio)

    def bucket(self, entry: Entry) -> Size:
        return nearest_bucket(self.looks[entry.path].size, self.buckets)


Notes = Iterator[tuple[str, Path | None, str]]  # (code, file, detail)


def lint(folder: Path, options: LintOptions | None = None, on_picture: OnPicture | None = None) -> LintReport:
    """Everything worth knowing of the dataset in `folder`. UserError when there is no such folder."""
    options = options or LintOptions()
    _check(options)
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder.name!r}.", hint="Choose a folder of pictures.", field="folder")
    data = _Dataset(folder, options)
    data.entries = read_entries(folder, lambda code, path, why: data.problems.append((code, path, why)))
    for number, entry in enumerate(data.entries, 1):
        try:
            data.looks[entry.path] = _look(entry.path)
        except BROKEN as error:
            data.problems.append(("unreadable", entry.path, _plain(error, entry.path)))
        if on_picture:
            on_picture(number, len(data.entries))
    return _report(data)


def _check(options: LintOptions) -> None:
    for name, low, high in (
        ("size", 8, 8192),
        ("bucket_step", 8, 512),
        ("bucket_ratio", 1, 8),
        ("batch_size", 1, 4096),
    ):
        value = getattr(options, name)
        if not low <= value <= high:
            raise UserError(f"{name} is {value:g}.", hint=f"Use {low} to {high}.", field=name)
    if options.size % options.bucket_step:
        raise UserError(
            f"The size {options.size} is not a multiple of {options.bucket_step}.",
            hint="Use a bucket_step that divides the size.",
            field="bucket_step",
        )


def _look(path: Path) -> _Look:
    with opened(path) as image:
        stored, size, turned = image.size, upright_size(image), orientation(image)
        alpha = to_mask(image, alpha=True)
        picture = to_rgb(image)
        return _Look(
            size=size,
            stored=stored,
            orientation=turned,
            animated=getattr(image, "n_frames", 1) > 1,
            opaque=None if alpha is None else float((np.asarray(alpha) > 0).mean()),
            sharpness=sharpness(picture),
            hash=perceptual_hash(picture),
            thumbnail=thumbnail(picture),
            digest=hashlib.sha256(path.read_bytes()).hexdigest(),
        )


def _plain(error: BaseException, path: Path) -> str:
    """Without the way to the file, which clients need not know."""
    return str(error).replace(str(path), path.name)[:300]


def _report(data: _Dataset) -> LintReport:
    learned, options = data.learned, data.options
    draws = sum(one.repeats for one in learned)
    per_epoch = math.ceil(draws / options.batch_size)
    return LintReport(
        name=data.folder.name,
        pictures=len(learned),
        regularisation=sum(one.regularisation for one in data.entries),
        masks=sum(one.mask is not None for one in learned),
        captions=dict(Counter("empty" if not one.caption else one.told_by for one in learned)),
        repeats=dict(Counter(f"{one.repeats}" for one in learned)),
        draws=draws,
        steps_per_epoch=per_epoch,
        epochs=round(options.steps / per_epoch, 2) if per_epoch else 0,
        buckets=tuple(_bucket_rows(data)),
        findings=_findings(data),
        examples=tuple(with_trigger(_said(one, options), options.trigger) for one in learned[:5]),
    )


def _said(entry: Entry, options: LintOptions) -> str:
    return "" if options.trigger and entry.told_by == "name" else entry.caption


def _bucket_rows(data: _Dataset) -> Iterator[BucketRow]:
    members: dict[Size, list[Entry]] = defaultdict(list)
    for one in data.learned:
        members[data.bucket(one)].append(one)
    for (width, height), found in sorted(members.items(), key=lambda one: (-len(one[1]), one[0])):
        draws = sum(one.repeats for one in found)
        yield BucketRow(width, height, len(found), draws, math.ceil(draws / data.options.batch_size))


def _findings(data: _Dataset) -> tuple[Finding, ...]:
    """Ordered by level, then as the rules are; each file once per rule."""
    notes: dict[str, list[FileNote]] = defaultdict(list)
    for rule in (_problems, _pictures, _doubles, _captions, _masks, _buckets, _amounts):
        for code, path, detail in rule(data):
            found = notes[code]
            if path is not None:
                found.append(FileNote(Path(os.path.relpath(path, data.folder)).as_posix(), detail))
            elif detail:
                found.append(FileNote("", detail))
    made = [
        Finding(rule.level, code, rule.title, rule.hint, tuple(notes[code]))
        for code, rule in RULES.items()
        if code in notes
    ]
    return tuple(sorted(made, key=lambda one: LEVELS.index(one.level)))


def _problems(data: _Dataset) -> Notes:
    yield from data.problems
    if not data.entries:
        yield "no_pictures", None, ""


def _pictures(data: _Dataset) -> Notes:
    for entry in data.entries:
        if (look := data.looks.get(entry.path)) is None:
            continue
        shown = f"{look.size[0]}x{look.size[1]}"
        bucket = data.bucket(entry)
        if max(bucket[0] / look.size[0], bucket[1] / look.size[1]) > 1:
            yield "small", entry.path, f"{shown} < {bucket[0]}x{bucket[1]}"
        if look.sharpness < data.options.blurred:
            yield "blurred", entry.path, f"{look.sharpness:.0f} < {data.options.blurred:g}"
        kept = min(look.size[0] / bucket[0], look.size[1] / bucket[1])
        lost = 1 - kept**2 * bucket[0] * bucket[1] / (look.size[0] * look.size[1])
        if lost > MOST_LOST:
            yield "cut_off", entry.path, f"{shown}: {lost:.0%}"
        if look.opaque is not None and look.opaque < 1 - NEVER_SEEN and not data.options.masks:
            yield "transparent", entry.path, f"{1 - look.opaque:.0%}"
        if look.animated:
            yield "animated", entry.path, ""
        if look.orientation != 1:
            yield "turned", entry.path, f"{look.stored[0]}x{look.stored[1]} -> {shown}"
        if data.options.flips and not may_mirror(entry.caption):
            yield "not_mirrored", entry.path, ""


def _doubles(data: _Dataset) -> Notes:
    entries = [one for one in data.entries if one.path in data.looks]
    looks = [data.looks[one.path] for one in entries]
    first: dict[str, Entry] = {}
    same = set()
    for entry, look in zip(entries, looks):
        earlier = first.setdefault(look.digest, entry)
        if earlier is not entry:
            same.add(entry.path)
            code = "same" if earlier.regularisation == entry.regularisation else "regularisation_same"
            yield code, entry.path, f"= {earlier.path.name}"
    for earlier, later in alike([one.hash for one in looks], [one.thumbnail for one in looks]):
        if entries[later].path not in same and entries[earlier].regularisation == entries[later].regularisation:
            yield "alike", entries[later].path, f"~ {entries[earlier].path.name}"


def _captions(data: _Dataset) -> Notes:
    learned, tokens = data.learned, ClipTokenizer.clip()
    trigger = data.options.trigger
    said = [_said(one, data.options) for one in learned]
    silent = bool(learned) and not trigger and not any(said)
    if silent:
        yield "nothing_said", None, ""
    for entry, caption in zip(learned, said):
        if not trigger and entry.told_by == "name":
            yield "caption_missing", entry.path, entry.caption
        elif not silent and not caption and entry.told_by != "name":
            yield "caption_empty", entry.path, ""
        count = len(tokens.encode(with_trigger(caption, trigger)))
        if count > MOST_TOKENS:
            yield "caption_long", entry.path, f"{count} > {MOST_TOKENS}"
    if len(learned) > 1 and len(set(said)) == 1 and said[0] and {one.told_by for one in learned} != {"folder"}:
        yield "captions_same", None, said[0][:200]
    yield from _caption_files(data)


def _caption_files(data: _Dataset) -> Notes:
    owners: dict[Path, list[str]] = defaultdict(list)
    for entry in data.entries:
        owners[entry.path.with_suffix("")].append(entry.path.name)
    for entry in data.entries:
        names = owners[entry.path.with_suffix("")]
        if entry.caption_file and len(names) > 1 and entry.path.name == names[0]:
            yield "caption_shared", entry.caption_file, ", ".join(names)
    texts = caption_files(data.folder)
    for path in texts:
        if path.with_suffix("") not in owners:
            yield "caption_orphan", path, ""
        other = path.with_suffix(CAPTION_KINDS[1])
        if path.suffix == CAPTION_KINDS[0] and other in texts and _text(path) != _text(other):
            yield "caption_twice", path, other.name


def _text(path: Path) -> str:
    try:
        return read_caption(path)
    except (OSError, ValueError):
        return ""


def _masks(data: _Dataset) -> Notes:
    if not data.options.masks:
        return
    for entry in data.learned:
        look = data.looks[entry.path]
        if entry.mask is None:
            if look.opaque is None:
                yield "mask_missing", entry.path, ""
            elif look.opaque == 0:
                yield "mask_empty", entry.path, ""
            continue
        try:
            with opened(entry.mask) as image:
                size = upright_size(image)
                mask = to_mask(image, alpha=False)
        except BROKEN as error:
            yield "mask_unreadable", entry.mask, _plain(error, entry.mask)
            continue
        if mask is None or not np.asarray(mask).any():
            yield "mask_empty", entry.mask, ""
        if abs(math.log(size[0] * look.size[1] / (size[1] * look.size[0]))) > 0.02:
            yield "mask_shape", entry.mask, f"{size[0]}x{size[1]}, {look.size[0]}x{look.size[1]}"


def _buckets(data: _Dataset) -> Notes:
    members: dict[Size, list[Entry]] = defaultdict(list)
    for one in data.learned:
        members[data.bucket(one)].append(one)
    for (width, height), found in sorted(members.items()):
        if data.options.batch_size > 1 and len(found) == 1 and len(members) > 1:
            yield "lonely_bucket", found[0].path, f"{width}x{height}"


def _amounts(data: _Dataset) -> Notes:
    learned, options = data.learned, data.options
    if 0 < len(learned) < FEW_PICTURES:
        yield "few_pictures", None, f"{len(learned)}"
    repeats = {one.repeats for one in learned}
    if repeats and max(repeats) > UNEVEN * min(repeats):
        yield "uneven_repeats", None, f"{min(repeats)} - {max(repeats)}"
    if options.steps and learned:
        seen = options.steps * options.batch_size / len(learned)
        if seen < SELDOM:
            yield "seldom_seen", None, f"{seen:.2g}"
        elif seen > OFTEN:
            yield "often_seen", None, f"{seen:.0f}"
