"""What the linter may find: for each code its level and its words. The page says them in other languages too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Rule:
    level: Level
    title: str
    hint: str


RULES: Mapping[str, Rule] = {
    "no_pictures": Rule("error", "There are no pictures.", "Put pictures into the folder or into folders in it."),
    "unreadable": Rule("error", "These files cannot be read as pictures.", "Save them again, or remove them."),
    "caption_unreadable": Rule("error", "These captions are no text in UTF-8.", "Save them as UTF-8."),
    "caption_shared": Rule(
        "error", "One caption file belongs to several pictures.", "Give the pictures different names."
    ),
    "nothing_said": Rule("error", "No picture has a caption.", "Write captions, or choose a trigger word."),
    "metadata_unreadable": Rule(
        "error", "Lines of metadata.jsonl cannot be used.", 'Each is {"file_name": "a.png", "text": "..."}.'
    ),
    "mask_unreadable": Rule("error", "These masks cannot be read.", "Save them again, or remove them."),
    "mask_empty": Rule("error", "These masks leave nothing to learn from.", "White is what counts; paint something."),
    "regularisation_same": Rule(
        "error", "The regularisation pictures are those of the subject.", "Use other pictures of its class."
    ),
    "picture_missing": Rule(
        "warning", "metadata.jsonl names pictures that are not there.", "Add them, or take the lines out."
    ),
    "small": Rule(
        "warning", "These pictures are smaller than the training size.", "Use larger ones, or train at a smaller size."
    ),
    "blurred": Rule("warning", "These pictures are blurred.", "Keep them only if blur is what is to be learned."),
    "same": Rule("warning", "These files are the same, byte by byte.", "Keep one; to weigh it more, use repeats."),
    "alike": Rule("warning", "These pictures show nearly the same.", "Keep the better one, or the subject overfits."),
    "caption_missing": Rule(
        "warning", "These pictures have no caption; words of their file names are used.", "Write captions."
    ),
    "caption_empty": Rule("warning", "These captions are empty.", "Say what is to be seen."),
    "caption_long": Rule(
        "warning", "These captions are longer than 75 tokens.", "What stands behind is not read; shorten them."
    ),
    "caption_orphan": Rule("warning", "These captions have no picture.", "Rename them like their picture."),
    "caption_twice": Rule(
        "warning", "A .txt and a .caption file say different things.", "The .txt is read; remove one of them."
    ),
    "captions_same": Rule("warning", "All captions are the same.", "Say what differs, or it is learned with the word."),
    "transparent": Rule(
        "warning", "These pictures are transparent in places, which become white.", "Use masks, or fill them."
    ),
    "mask_missing": Rule("warning", "These pictures have no mask; all of them counts.", "Add the masks that lack."),
    "mask_shape": Rule("warning", "These masks have another shape than their picture.", "Save them at its size."),
    "cut_off": Rule(
        "warning", "More than a quarter of these pictures is cut off.", "Cut them yourself, or allow longer buckets."
    ),
    "few_pictures": Rule("warning", "There are fewer than 5 pictures.", "10 to 30 different ones teach a subject."),
    "lonely_bucket": Rule(
        "warning", "Buckets of one picture fill a whole batch with it.", "Crop it like the others, or use batches of 1."
    ),
    "uneven_repeats": Rule("warning", "Some folders are repeated far more than others.", "Make repeats more alike."),
    "seldom_seen": Rule("warning", "The average picture is not even seen once.", "Train for more steps."),
    "often_seen": Rule(
        "warning", "The average picture is seen more than 400 times.", "Train for fewer steps, or it is memorised."
    ),
    "animated": Rule("info", "Of these animations the first picture is used.", "Nothing needs to be done."),
    "turned": Rule("info", "These photos lie on a side and are turned by their EXIF.", "Nothing needs to be done."),
    "not_mirrored": Rule(
        "info", "These pictures are not mirrored: their captions tell sides or writing.", "Nothing needs to be done."
    ),
}
LEVELS: tuple[Level, ...] = ("error", "warning", "info")
