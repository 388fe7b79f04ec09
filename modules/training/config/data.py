"""What is learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from modules.core.errors import UserError
from modules.training.config.ranges import check_range

OF_SHARES = ("popular_share", "plain_share", "variants_share")
OF_SCENES = (*OF_SHARES, "focus", "colours", "rare_colours", "blends", "placed", "pairs")  # settings in Data
OF_FOLDERS = ("crops", "size_words", "bucket_step", "bucket_ratio")


@dataclass(frozen=True)
class Data:
    """`popular_share` of the draws come from the popular subjects, `plain_share` show one subject centred on white.

    With kind "folder" pictures with captions are cut to buckets of about size * size pixels; with "fluent_emoji"
    every picture has size * size. A run may be continued with another `size`: small pictures first, then larger ones.
    """

    folder: str
    kind: Literal["fluent_emoji", "folder"] = "fluent_emoji"
    size: int = 128
    flips: bool = (
        False  # stage 2: mirrored pictures too, where neither label nor caption tells left from right or of writing
    )
    popular_share: float = 0.9
    focus: tuple[str, ...] = ()  # labels to count as the popular ones when drawing; empty: those marked in the set
    plain_share: float = 0.5
    colours: int = 10  # coloured backgrounds per popular subject, kept as latents
    rare_colours: int = 1  # the same for all other subjects
    blends: int = 0  # scenes of a popular subject on a gradient of two colours
    placed: int = 0  # scenes of a popular subject at half size, somewhere
    pairs: int = 0  # scenes of two popular subjects side by side
    variants_share: float = 0.0  # of the draws: skin tones, flags, families (built with --variants)
    bucket_step: int = 64  # folder: sides of buckets are multiples of it
    bucket_ratio: float = 2.0  # folder: the longest side of a bucket by its shortest, at most
    crops: int = 1  # folder: cuts of each picture; the first is in the middle, the others at random
    size_words: bool = False  # folder: captions may end in "low resolution", "high resolution", "cropped"


def check_data(data: Data) -> None:
    folder = data.kind == "folder"
    refuse_idle(data, OF_SCENES if folder else OF_FOLDERS, f"data.kind {data.kind!r}")
    ranges = {**dict.fromkeys(OF_SCENES, (0, 10**6)), **dict.fromkeys(OF_SHARES, (0, 1))}
    ranges |= {"variants_share": (0, 0.99), "bucket_ratio": (1, 8), "crops": (1, 100)}
    del ranges["focus"]
    for name, (low, high) in ranges.items():
        check_range(f"data.{name}", getattr(data, name), low, high)
    if folder and (data.bucket_step < 8 or data.size % data.bucket_step):
        raise UserError(
            f"data.size {data.size} is not a multiple of data.bucket_step {data.bucket_step}.",
            hint="Use a bucket_step of at least 8 that divides the size.",
            field="data.bucket_step",
        )


def refuse_idle(data: Data, names: Sequence[str], cause: str) -> None:
    usual = Data(folder=data.folder)
    for name in names:
        if getattr(data, name) != getattr(usual, name):
            raise UserError(f"data.{name} does nothing with {cause}.", hint="Leave it out.", field=f"data.{name}")
