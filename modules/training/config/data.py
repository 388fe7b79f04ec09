"""What is learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from modules.core.errors import UserError
from modules.training.config.ranges import check_range

OF_SHARES = ("popular_share", "plain_share", "variants_share")
OF_SCENES = (*OF_SHARES, "focus", "colours", "rare_colours", "blends", "placed", "pairs")  # settings in Data
OF_CAPTIONS = ("trigger", "shuffle_tags", "keep_tags", "tag_dropout")
OF_FOLDERS = (
    *("crops", "size_words", "bucket_step", "bucket_ratio", "cut", "colour_jitter", "masks", "unmasked_weight"),
    *OF_CAPTIONS,
)


@dataclass(frozen=True)
class Data:
    """`popular_share` of the draws come from the popular subjects, `plain_share` show one subject centred on white.

    With kind "folder" pictures with captions are cut to buckets of about size * size pixels; with "fluent_emoji"
    every picture has size * size. A run may be continued with another `size`: small pictures first, then larger ones.
    What a folder may hold is told in modules/training/datasets/entries.py. Tags are the parts of a caption between
    commas.
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
    crops: int = 1  # folder: cuts of each picture; the first is placed by `cut`, the others at random
    cut: Literal["middle", "focal"] = "middle"  # focal: where most is to be seen
    colour_jitter: float = 0.0  # most change of brightness, contrast and saturation of all cuts but the first
    size_words: bool = False  # folder: captions may end in "low resolution", "high resolution", "cropped"
    masks: bool = False  # weigh the loss by the pictures' masks, or by their opacity
    unmasked_weight: float = 0.0  # of what a mask leaves out, against what it shows
    trigger: str = ""  # leads every caption that does not say it; stands alone where only the file's name would
    shuffle_tags: bool = False
    keep_tags: int = 0  # tags in front that are neither moved nor left out
    tag_dropout: float = 0.0  # chance of each tag to be left out


def check_data(data: Data) -> None:
    folder = data.kind == "folder"
    refuse_idle(data, OF_SCENES if folder else OF_FOLDERS, f"data.kind {data.kind!r}")
    ranges = {**dict.fromkeys(OF_SCENES, (0, 10**6)), **dict.fromkeys(OF_SHARES, (0, 1))}
    ranges |= {"variants_share": (0, 0.99), "bucket_ratio": (1, 8), "crops": (1, 100), "colour_jitter": (0, 0.5)}
    ranges |= {"unmasked_weight": (0, 1), "keep_tags": (0, 100), "tag_dropout": (0, 1)}
    del ranges["focus"]
    for name, (low, high) in ranges.items():
        check_range(f"data.{name}", getattr(data, name), low, high)
    if data.crops == 1:
        refuse_idle(data, ["colour_jitter"], "data.crops 1: the first cut keeps its colours")
    if not data.masks:
        refuse_idle(data, ["unmasked_weight"], "data.masks false")
    if not data.shuffle_tags and not data.tag_dropout:
        refuse_idle(data, ["keep_tags"], "neither data.shuffle_tags nor data.tag_dropout")
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
